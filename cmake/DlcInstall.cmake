# cmake --install: the programs, libdlc with its headers, and a package: find_package(dlc), target dlc::dlc.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS dlc_shared EXPORT dlcTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc)
foreach(source ${tool_programs})
  cmake_path(GET source STEM program)
  string(REPLACE _ - program ${program})
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS ${program})
endforeach()
foreach(folder runtime ir frontend passes codegen)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${folder}")
    install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc FILES_MATCHING PATTERN "*.h")
  endif()
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dlc)
install(EXPORT dlcTargets NAMESPACE dlc:: DESTINATION ${package_dir})
configure_package_config_file(cmake/dlcConfig.cmake.in "${PROJECT_BINARY_DIR}/dlcConfig.cmake"
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dlcConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/dlcConfig.cmake" "${PROJECT_BINARY_DIR}/dlcConfigVersion.cmake"
        DESTINATION ${package_dir})
