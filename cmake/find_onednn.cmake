# Sets dnnl_FOUND and makes the target DNNL::dnnl, if oneDNN 2.6 or a later 2.x is installed. Not by oneDNN's own
# package file: where that was built for GPUs too, as in Debian, it ends the configuration with an error unless the
# development files of OpenCL, which nothing here includes, are installed as well.
set(dnnl_FOUND FALSE)
find_path(NNKERNELS_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl_version.h)
find_library(NNKERNELS_ONEDNN_LIBRARY dnnl)
mark_as_advanced(NNKERNELS_ONEDNN_INCLUDE_DIR NNKERNELS_ONEDNN_LIBRARY)
if(NOT NNKERNELS_ONEDNN_INCLUDE_DIR OR NOT NNKERNELS_ONEDNN_LIBRARY)
  return()
endif()
file(STRINGS ${NNKERNELS_ONEDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h lines REGEX "define DNNL_VERSION_M")
string(REGEX REPLACE ".*VERSION_MAJOR +([0-9]+).*VERSION_MINOR +([0-9]+).*" "\\1.\\2" version "${lines}")
if(version VERSION_LESS 2.6 OR version VERSION_GREATER_EQUAL 3)
  message(STATUS "oneDNN ${version} is left aside: it is not 2.6 or a later 2.x")
  return()
endif()
set(dnnl_FOUND TRUE)
if(NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED GLOBAL)
  set_target_properties(DNNL::dnnl PROPERTIES
    IMPORTED_LOCATION ${NNKERNELS_ONEDNN_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${NNKERNELS_ONEDNN_INCLUDE_DIR})
endif()
