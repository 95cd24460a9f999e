// The mathematical functions of C that SQLite's SQL functions call, answered by JavaScript's Math:
// their tables and polynomials would be 13 KB of the gzipped module, and every host has them.
//
// Defined under the names of C, so that the linker does not take those of the C library. A result
// may differ from another host's in its last bit, as between any two C libraries. What WebAssembly
// computes itself (sqrt, ceil, floor, trunc) is not here.

#include <emscripten/em_math.h>

#include <cmath>

extern "C" {

double acos(double x) { return emscripten_math_acos(x); }
double acosh(double x) { return emscripten_math_acosh(x); }
double asin(double x) { return emscripten_math_asin(x); }
double asinh(double x) { return emscripten_math_asinh(x); }
double atan(double x) { return emscripten_math_atan(x); }
double atan2(double y, double x) { return emscripten_math_atan2(y, x); }
double atanh(double x) { return emscripten_math_atanh(x); }
double cos(double x) { return emscripten_math_cos(x); }
double cosh(double x) { return emscripten_math_cosh(x); }
double exp(double x) { return emscripten_math_exp(x); }
double fmod(double x, double y) { return emscripten_math_fmod(x, y); }
double log(double x) { return emscripten_math_log(x); }
double log10(double x) { return emscripten_math_log10(x); }
double log2(double x) { return emscripten_math_log2(x); }
double sin(double x) { return emscripten_math_sin(x); }
double sinh(double x) { return emscripten_math_sinh(x); }
double tan(double x) { return emscripten_math_tan(x); }
double tanh(double x) { return emscripten_math_tanh(x); }

// In C one raised to any power is one, and so is minus one to an infinite one; in JavaScript both
// are no number.
double pow(double x, double y) {
  if (x == 1 || (x == -1 && std::isinf(y))) return 1;
  return emscripten_math_pow(x, y);
}

}  // extern "C"
