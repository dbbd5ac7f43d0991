# What every compiled model carries: runtime/model and runtime/kernels, built once, and runtime/kernels/simd, built
# once per ISA, as one position-independent archive without libstdc++. libdlc embeds the archive's bytes (symbols
# dlc_runtime_archive_begin and dlc_runtime_archive_end) so that dlc-compile needs no file beside itself, and links
# the same code for in-process compilation.

set(dlc_model_runtime_flags -O2 -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffunction-sections
    -fdata-sections -fvisibility=hidden)

# dlc_add_isa_kernels(PREFIX VARIABLE SOURCES file... OPTIONS target): compiles the files once per ISA of the processor
# family, each with -march and with DLC_ISA set to the name of the namespace that a file puts its code in. VARIABLE
# gets the names of the object libraries: PREFIX_v2 and so on.
function(dlc_add_isa_kernels prefix variable)
  cmake_parse_arguments(arg "" "OPTIONS" "SOURCES" ${ARGN})
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(isas v2 v3 v4)
  else()
    set(isas baseline)
  endif()
  set(libraries)
  foreach(isa ${isas})
    dlc_add_layer(${prefix}_${isa} SOURCES ${arg_SOURCES} OPTIONS ${arg_OPTIONS})
    target_compile_definitions(${prefix}_${isa} PRIVATE DLC_ISA=${isa})
    target_compile_options(${prefix}_${isa} PRIVATE ${dlc_model_runtime_flags})
    if(isa MATCHES "^v[234]$")
      target_compile_options(${prefix}_${isa} PRIVATE -march=x86-64-${isa})
    endif()
    list(APPEND libraries ${prefix}_${isa})
  endforeach()
  set(${variable} ${libraries} PARENT_SCOPE)
endfunction()

# One copy of the model runtime. VARIABLE gets the names of its object libraries.
function(dlc_add_model_runtime_objects prefix variable options)
  dlc_glob(model_sources runtime/model)
  dlc_glob(plain_sources runtime/kernels EXCLUDE runtime/kernels/simd)
  dlc_glob(simd_sources runtime/kernels/simd)
  dlc_add_layer(${prefix}_common SOURCES ${model_sources} ${plain_sources} OPTIONS ${options})
  target_compile_options(${prefix}_common PRIVATE ${dlc_model_runtime_flags})
  dlc_add_isa_kernels(${prefix} isa_libraries SOURCES ${simd_sources} OPTIONS ${options})
  set(${variable} ${prefix}_common ${isa_libraries} PARENT_SCOPE)
endfunction()

# Writes assembly that holds the bytes of FILE between the hidden symbols NAME_begin and NAME_end. VARIABLE gets its
# path.
function(dlc_embed_file variable name file)
  set(assembly "${PROJECT_BINARY_DIR}/${name}.S")
  file(CONFIGURE OUTPUT "${assembly}" @ONLY CONTENT [[
    .section .rodata.@name@, "a"
    .balign 16
    .globl @name@_begin
    .hidden @name@_begin
@name@_begin:
    .incbin "@file@"
    .globl @name@_end
    .hidden @name@_end
@name@_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
]])
  set_source_files_properties("${assembly}" PROPERTIES OBJECT_DEPENDS "${file}")
  set(${variable} "${assembly}" PARENT_SCOPE)
endfunction()

# dlcrt: the archive. dlc_model_runtime_bytes: the archive and runtime/model/types.h as data.
# DLC_MODEL_RUNTIME_LIBRARIES: its code as objects, for libdlc. model_runtime_objects.txt lists the archive's objects
# with their ISA, for check_archive.py.
function(dlc_add_model_runtime)
  dlc_add_model_runtime_objects(dlc_model_runtime libraries dlc_plain_options)
  # The objects themselves: a dependency on their libraries would have to be installed with the archive.
  list(TRANSFORM libraries REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(dlcrt STATIC ${objects})
  set_target_properties(dlcrt PROPERTIES LINKER_LANGUAGE CXX)
  set(archive_libraries ${libraries})
  if(DLC_SANITIZE)
    # Compiled models run outside of instrumented processes; in libdlc itself the code is to be seen.
    dlc_add_model_runtime_objects(dlc_model_runtime_checked libraries dlc_options)
  endif()
  set(object_list "")
  foreach(library ${archive_libraries})
    string(REGEX REPLACE "^dlc_model_runtime_" "" isa ${library})
    string(APPEND object_list "${isa} $<JOIN:$<TARGET_OBJECTS:${library}>,\n${isa} >\n")
  endforeach()
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/model_runtime_objects.txt" CONTENT "${object_list}")
  set(DLC_MODEL_RUNTIME_LIBRARIES ${libraries} PARENT_SCOPE)

  dlc_embed_file(archive_bytes dlc_runtime_archive "${PROJECT_BINARY_DIR}/libdlcrt.a")
  dlc_embed_file(types_bytes dlc_model_types "${PROJECT_SOURCE_DIR}/runtime/model/types.h")
  add_library(dlc_model_runtime_bytes OBJECT "${archive_bytes}" "${types_bytes}")
  add_dependencies(dlc_model_runtime_bytes dlcrt)
endfunction()
