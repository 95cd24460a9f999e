# Finds Emscripten and hands over to its own CMake toolchain file: an `emcc` on PATH if there is
# one, else the private prefix that scripts/setup-emscripten.sh makes. LS_EMSCRIPTEN_ROOT in the
# environment names the folder of emcc outright.

if(NOT DEFINED ENV{LS_EMSCRIPTEN_ROOT})
  if(DEFINED ENV{XDG_CACHE_HOME})
    set(ls_cache "$ENV{XDG_CACHE_HOME}")
  else()
    set(ls_cache "$ENV{HOME}/.cache")
  endif()
  if(DEFINED ENV{EMSCRIPTEN_CHANNEL})
    set(ls_prefix "${ls_cache}/livestore-wasm/emscripten-$ENV{EMSCRIPTEN_CHANNEL}/em")
  else()
    set(ls_prefix "${ls_cache}/livestore-wasm/emscripten-stable/em")
    find_program(LS_EM_CONFIG em-config)
  endif()
  if(LS_EM_CONFIG)
    execute_process(COMMAND ${LS_EM_CONFIG} EMSCRIPTEN_ROOT OUTPUT_VARIABLE ls_prefix
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  # CMake reads a toolchain file once more for every compiler check: ask Emscripten only once.
  set(ENV{LS_EMSCRIPTEN_ROOT} "${ls_prefix}")
endif()

set(ls_toolchain "$ENV{LS_EMSCRIPTEN_ROOT}/cmake/Modules/Platform/Emscripten.cmake")
if(NOT EXISTS "${ls_toolchain}")
  message(FATAL_ERROR "No Emscripten found. Run `npm run setup`, or put emcc 3.1.69 on PATH.")
endif()
include("${ls_toolchain}")
