// Functions of the C library that the host, or SQLite, answers in fewer bytes. Defined under the
// names of C, so that the linker does not take those of the C library. Gzipped, of the module:
//
//   mathematics  13 KB: the tables and polynomials behind SQL's functions; every host has Math. A
//                result may differ from another host's in its last bit, as between any two C
//                libraries. What WebAssembly computes itself (sqrt, ceil, floor) is not here.
//   strtod        7 KB: long double arithmetic, for the JSON parser.
//   snprintf      2 KB: for messages of the JSON parser and of Embind.
//   stderr        2 KB: what is written there is said on the console, formatted by SQLite.
//   localtime     1 KB: and 1 KB of Emscripten's glue, for time zones by name.

#include <emscripten/em_js.h>
#include <emscripten/em_math.h>
#include <sqlite3.h>

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>

// clang-format off
EM_JS(double, ls_number, (const char* text), { return Number(UTF8ToString(text)); });
EM_JS(void, ls_print_error, (const char* text), { err(UTF8ToString(text)); });
EM_JS(void, ls_local_time, (double seconds, int* out), {
  const date = new Date(seconds * 1000);
  HEAP32.set([date.getSeconds(), date.getMinutes(), date.getHours(), date.getDate(),
              date.getMonth(), date.getFullYear() - 1900], out >> 2);
});
// clang-format on

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

// REQUIRES: the whole of `text` is a number as JSON spells it.
double strtod(const char* text, char** end) {
  if (end != nullptr) *end = const_cast<char*>(text) + std::strlen(text);
  return ls_number(text);
}

// Nothing calls these. The C library has them in the same object as its strtod, and libc++ names
// them, so that both would be linked.
float strtof(const char* text, char** end) { return static_cast<float>(strtod(text, end)); }
long double strtold(const char* text, char** end) { return strtod(text, end); }

// As SQLite formats. Unlike in C, the result counts what was written, not what would have been; the
// callers ignore it.
int snprintf(char* out, size_t size, const char* format, ...) {
  va_list values;
  va_start(values, format);
  sqlite3_vsnprintf(static_cast<int>(size), out, format, values);
  va_end(values);
  return static_cast<int>(std::strlen(out));
}

// What clang calls for sprintf without floating point. Embind prints an address, into 80 bytes.
int siprintf(char* out, const char* format, ...) {
  va_list values;
  va_start(values, format);
  sqlite3_vsnprintf(80, out, format, values);
  va_end(values);
  return static_cast<int>(std::strlen(out));
}

// There is one file, the console. Who writes there (LS_CHECK and the C++ runtime, about to abort)
// does not look at the result.
FILE* const stderr = nullptr;

int fputs(const char* text, FILE*) {
  ls_print_error(text);
  return 0;
}

int vfprintf(FILE* file, const char* format, va_list values) {
  char text[256];
  return fputs(sqlite3_vsnprintf(sizeof text, text, format, values), file);
}

int fprintf(FILE* file, const char* format, ...) {
  va_list values;
  va_start(values, format);
  const int result = vfprintf(file, format, values);
  va_end(values);
  return result;
}

// The allocator's listing of its blocks, which nothing asks for.
int printf(const char*, ...) { return 0; }

// In the browser's time zone. For SQL's modifier 'localtime', which reads the six numbers below.
struct tm* localtime(const time_t* seconds) {
  static struct tm local;
  int numbers[6];
  ls_local_time(static_cast<double>(*seconds), numbers);
  local.tm_sec = numbers[0];
  local.tm_min = numbers[1];
  local.tm_hour = numbers[2];
  local.tm_mday = numbers[3];
  local.tm_mon = numbers[4];
  local.tm_year = numbers[5];
  return &local;
}

}  // extern "C"
