# What a user may set, and the flags that every target of ours gets.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(DLC_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(DLC_WERROR "Warnings are errors" ${PROJECT_IS_TOP_LEVEL})
set(DLC_SANITIZE "" CACHE STRING "address, undefined, thread, or address,undefined; empty: none")
set(DLC_SHARED "${PROJECT_SOURCE_DIR}/../shared" CACHE PATH "Models and data sets of the tests; may be absent")

if(DEFINED ENV{DLC_DEPS})
  set(deps "$ENV{DLC_DEPS}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(deps "$ENV{XDG_CACHE_HOME}/dlc")
else()
  set(deps "$ENV{HOME}/.cache/dlc")
endif()
set(DLC_DEPS "${deps}" CACHE PATH "Where setup.sh puts what does not come from the distribution")
find_program(DLC_PYTHON python3 HINTS "${DLC_DEPS}/venv/bin" NO_DEFAULT_PATH REQUIRED)

# dlc_plain_options: without sanitizers, for what goes into compiled models.
add_library(dlc_plain_options INTERFACE)
target_include_directories(dlc_plain_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(dlc_plain_options INTERFACE -Wall -Wextra "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(DLC_WERROR)
  # These four are wrong too often in g++ 12 when it inlines the standard library.
  target_compile_options(dlc_plain_options INTERFACE -Werror -Wno-error=array-bounds -Wno-error=maybe-uninitialized
                         -Wno-error=restrict -Wno-error=stringop-overflow)
endif()
add_library(dlc_options INTERFACE)
target_link_libraries(dlc_options INTERFACE dlc_plain_options)
if(DLC_SANITIZE)
  target_compile_options(dlc_options INTERFACE -fsanitize=${DLC_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(dlc_options INTERFACE -fsanitize=${DLC_SANITIZE})
endif()

find_program(DLC_CCACHE ccache)
if(DLC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths relative to the source root, so that all checkouts on a machine share what was compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros "${DLC_CCACHE}")
endif()
find_program(DLC_MOLD mold)
if(DLC_MOLD AND NOT DLC_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()
