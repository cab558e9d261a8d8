# SPDX-License-Identifier: Apache-2.0
# The one file that reaches into zephyr-lang-rust further than rust_cargo_application(): that one takes no features, and
# makes no library for an application in C. Written for its revision ab3e546232bf of June 2026, which west.yml names; what it
# relies on is looked for here, so that another revision fails with a sentence.
include_guard(GLOBAL)

function(_iothub_check_lang_rust)
  set(revision ab3e546232bfa2f4e16d6c5156b9d9500885b4e8)
  foreach(name _rust_map_target add_cargo_target_with_zephyr_env rust_cargo_application)
    if(NOT COMMAND ${name})
      message(FATAL_ERROR "zephyr-lang-rust is not in the workspace, or has no ${name}(): iothub needs its revision ${revision}, "
        "see west.yml.")
    endif()
  endforeach()
  file(READ $CACHE{RUST_MODULE_DIR}/CMakeLists.txt text)
  foreach(part "set(RUST_TARGET \"" "INCLUDE_DIRS=\"\${include_dirs}\"" "INCLUDE_DEFINES=\"\${include_defines}\""
      "\${rust_build_type_arg}" "\${command_paths}" "--target \${RUST_TARGET}" "--target-dir \${CARGO_TARGET_DIR}" "\${cargo_args}")
    string(FIND "${text}" "${part}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "zephyr-lang-rust calls cargo in another way than revision ${revision} does (there is no ${part} in "
        "its CMakeLists.txt): take that revision, as west.yml does.")
    endif()
  endforeach()
endfunction()

_iothub_check_lang_rust()

# CMake keeps the function that is defined anew under its name with a _ before it. In CARGO_ARGS the command comes first.
function(add_cargo_target_with_zephyr_env)
  set(arguments ${ARGV})
  if(iothub_rust_features)
    list(FIND arguments CARGO_ARGS at)
    math(EXPR at "${at} + 2")
    list(INSERT arguments ${at} --features ${iothub_rust_features})
  endif()
  _add_cargo_target_with_zephyr_env(${arguments})
endfunction()

# rust_cargo_application() with features of the crate.
macro(iothub_rust_application)
  set(iothub_rust_features ${ARGN})
  rust_cargo_application()
endmacro()

# iothub_rust_library(TARGET MANIFEST LIBRARY): builds a staticlib with cargo and links it into the application, which keeps
# its own main().
function(iothub_rust_library target manifest library)
  # What the function below takes from its caller. Include folders and defines of modules that come later count too.
  _rust_map_target()
  set(include_dirs $<TARGET_PROPERTY:zephyr_interface,INTERFACE_INCLUDE_DIRECTORIES>)
  set(include_defines $<TARGET_PROPERTY:zephyr_interface,INTERFACE_COMPILE_DEFINITIONS>)
  set(command_paths)
  set(CARGO_TARGET_DIR ${CMAKE_CURRENT_BINARY_DIR}/rust)
  set(rust_build_type_arg --release)
  set(path ${CARGO_TARGET_DIR}/${RUST_TARGET}/release/${library})

  # The output is never made, so that cargo is asked each time.
  add_cargo_target_with_zephyr_env(${target}
    OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/always-run-cargo.dummy
    BYPRODUCTS ${path}
    CARGO_ARGS build --locked --manifest-path ${manifest}
    COMMENT "Building ${library}"
  )
  target_link_libraries(app PUBLIC ${path} $<TARGET_PROPERTY:linker,rt_library>)
  add_dependencies(app ${target})
endfunction()
