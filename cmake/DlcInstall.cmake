# cmake --install: the programs; libdlc with its public headers; libdlcrt.a for models in object files; a package with the
# targets dlc::dlc, dlc::dlcrt and dlc::dlc-compile and the function dlc_add_model().

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# <dlc/dlc.h> and <dlc/dlc_c.h> are found from the first folder, what they include from the second.
target_include_directories(dlc_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/dlc>)
target_compile_features(dlc_shared INTERFACE cxx_std_20)
install(TARGETS dlc_shared dlcrt EXPORT dlcTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS dlc_codecs dlc_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(source ${tool_programs})
  cmake_path(GET source STEM program)
  string(REPLACE _ - program ${program})
  set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS ${program} EXPORT dlcTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endforeach()

# The public headers: what api/ includes, and what that includes.
set(public_headers
    codegen/compile.h codegen/kernel_choice.h frontend/read_model.h ir/clone.h ir/dim.h ir/graph.h ir/limits.h ir/type.h passes/options.h
    passes/training/options.h runtime/border.h runtime/data/image.h runtime/data/npy.h runtime/data/npz.h
    runtime/dtype.h runtime/error.h runtime/model/abi.h runtime/model/api.h runtime/model/types.h runtime/program.h
    runtime/tensor.h runtime/training/augment.h runtime/training/checkpoint.h runtime/training/communicator.h runtime/training/dataset.h
    runtime/training/image_folder.h runtime/training/loader.h runtime/training/metrics.h runtime/training/schedule.h
    runtime/training/step.h runtime/training/stepper.h runtime/training/table_data.h runtime/training/token_data.h
    runtime/training/trainer.h runtime/value.h runtime/version.h)
install(FILES api/dlc.h api/dlc_c.h api/train.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc)
foreach(header ${public_headers})
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/dlc/${folder})
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dlc)
install(EXPORT dlcTargets NAMESPACE dlc:: DESTINATION ${package_dir})
configure_package_config_file(cmake/dlcConfig.cmake.in "${PROJECT_BINARY_DIR}/dlcConfig.cmake"
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dlcConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/dlcConfig.cmake" "${PROJECT_BINARY_DIR}/dlcConfigVersion.cmake"
        cmake/DlcAddModel.cmake DESTINATION ${package_dir})
