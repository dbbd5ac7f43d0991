# Every library that we use, and a hint where one is missing.

find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(TIFF REQUIRED)
# Debian's CMake package of OpenJPEG asks for programs that the library does not need.
find_path(DLC_OPENJPEG_INCLUDE_DIR openjpeg.h PATH_SUFFIXES openjpeg-2.5 openjpeg-2.4 REQUIRED)
find_library(DLC_OPENJPEG_LIBRARY openjp2 REQUIRED)
find_path(DLC_WEBP_INCLUDE_DIR webp/decode.h REQUIRED)
find_library(DLC_WEBP_LIBRARY webp REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(zstd REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
find_package(LLVM 22.1 REQUIRED CONFIG PATHS /usr/lib/llvm-22)
find_package(LLD REQUIRED CONFIG PATHS /usr/lib/llvm-22)

# Headers only; its CMake target asks for a library (xtl) that Debian does not have with it.
find_path(DLC_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp REQUIRED)

# A system ONNX that is new enough, or the one that setup.sh built.
file(GLOB onnx_prefixes "${DLC_DEPS}/onnx-*")
find_package(ONNX 1.19 CONFIG QUIET PATHS ${onnx_prefixes})
if(NOT ONNX_FOUND)
  message(FATAL_ERROR "No ONNX C++ library of version 1.19 or newer: run ./setup.sh, or set ONNX_DIR.\n"
                      "Looked in ${DLC_DEPS} too; DLC_DEPS says otherwise.")
endif()

# LLVM and LLD with their include path as a system one: their headers do not pass our warnings. LLVM_DEFINITIONS
# repeats what g++ has by default, and a definition of its own would shut codegen off from the precompiled headers.
add_library(dlc_llvm INTERFACE)
target_include_directories(dlc_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${LLD_INCLUDE_DIRS})
target_link_libraries(dlc_llvm INTERFACE lldELF lldCommon LLVM)
