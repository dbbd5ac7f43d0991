# dlc_glob(VARIABLE FOLDER [EXCLUDE FOLDER...]): all C++ sources below FOLDER, followed as files come and go.
function(dlc_glob variable folder)
  cmake_parse_arguments(arg "" "" EXCLUDE ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
  foreach(excluded ${arg_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/${excluded}/")
  endforeach()
  set(${variable} ${sources} PARENT_SCOPE)
endfunction()

# dlc_add_layer(NAME [SOURCES file...] [LINK library...] [OPTIONS target]): the objects of one folder, which may be
# empty. What links NAME gets the objects and the libraries. OPTIONS: dlc_options unless said.
function(dlc_add_layer name)
  cmake_parse_arguments(arg "" "OPTIONS" "SOURCES;LINK" ${ARGN})
  if(NOT arg_OPTIONS)
    set(arg_OPTIONS dlc_options)
  endif()
  if(NOT arg_SOURCES)
    # An object library needs a file.
    set(arg_SOURCES "${PROJECT_BINARY_DIR}/empty.cpp")
    if(NOT EXISTS "${arg_SOURCES}")
      file(WRITE "${arg_SOURCES}" "")
    endif()
  endif()
  add_library(${name} OBJECT ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_LINK} PRIVATE ${arg_OPTIONS})
endfunction()
