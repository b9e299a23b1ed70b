# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` lays down: the binaries, the libraries, the headers as they lie, and the package by which
# find_package(zraft) gives zraft::host, zraft::client, zraft::c and the other layers.
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/zraft)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/zraft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT zraft NAMESPACE zraft:: FILE zraftTargets.cmake DESTINATION ${package})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/zraftConfig.cmake.in ${CMAKE_BINARY_DIR}/zraftConfig.cmake
  INSTALL_DESTINATION ${package})
# Before 1.0 a minor version may change an interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/zraftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/zraftConfig.cmake ${CMAKE_BINARY_DIR}/zraftConfigVersion.cmake DESTINATION ${package})
foreach(program zraftd zraft-cli)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
