# What `cmake --install` puts below the prefix. find_package(nnkernels) finds it there, also after a move.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(libraries nnkernels_kernels)
if(NNKERNELS_BUILD_NN)
  list(APPEND libraries nnkernels_nn)
endif()
install(TARGETS ${libraries} EXPORT nnkernels
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nnkernels)

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nnkernels)
install(EXPORT nnkernels NAMESPACE nnkernels:: FILE nnkernelsTargets.cmake DESTINATION ${package_dir})
configure_file(cmake/nnkernelsConfig.cmake.in nnkernelsConfig.cmake @ONLY)
write_basic_package_version_file(nnkernelsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/nnkernelsConfig.cmake ${PROJECT_BINARY_DIR}/nnkernelsConfigVersion.cmake
        DESTINATION ${package_dir})

if(NNKERNELS_BUILD_CLI)
  install(TARGETS nncli)
  install(DIRECTORY data/ DESTINATION ${CMAKE_INSTALL_BINDIR}/../share/nnkernels)  # where nncli looks first
endif()
if(NNKERNELS_BUILD_BENCH)
  # nnbench, and the libraries that it opens from the folder it is in.
  get_property(bench DIRECTORY bench PROPERTY BUILDSYSTEM_TARGETS)
  install(TARGETS ${bench} LIBRARY DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(NNKERNELS_BUILD_BLAS)
  install(TARGETS nnblas)
endif()
