# dlc_add_model(NAME FILE [OPTIONS flag...]): compiles an ONNX file to a static library when the project is built. What
# links the target NAME may include the generated header NAME.h. OPTIONS are flags of dlc-compile.
function(dlc_add_model name file)
  cmake_parse_arguments(arg "" "" "OPTIONS" ${ARGN})
  cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}")
  file(MAKE_DIRECTORY "${folder}")
  add_custom_command(OUTPUT "${folder}/lib${name}.a" "${folder}/${name}.h"
                     COMMAND dlc::dlc-compile "${file}" -o "${folder}/lib${name}.a" --header "${folder}/${name}.h"
                             --name ${name} --quiet ${arg_OPTIONS}
                     DEPENDS "${file}" dlc::dlc-compile VERBATIM COMMENT "Compiling the model ${name}")
  add_custom_target(${name}_model DEPENDS "${folder}/lib${name}.a" "${folder}/${name}.h")
  add_library(${name} STATIC IMPORTED)
  add_dependencies(${name} ${name}_model)
  find_package(Threads REQUIRED)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION "${folder}/lib${name}.a"
                        INTERFACE_INCLUDE_DIRECTORIES "${folder}" INTERFACE_LINK_LIBRARIES "m;Threads::Threads")
endfunction()
