# SPDX-License-Identifier: Apache-2.0
# CONFIG_IOTHUB_CREDENTIALS_DIR: turns PEM files into a C header with their bytes and the SHA-256 by which the modem lists
# them. Only the PEM blocks count, with LF line ends: OpenSSL writes text before them, and a modem may refuse CR.

function(iothub_credential folder file kinds name)
  set(path ${folder}/${file})
  if(NOT EXISTS ${path})
    message(FATAL_ERROR "CONFIG_IOTHUB_CREDENTIALS_DIR: there is no ${path}. The folder needs ca.pem, cert.pem and "
      "key.pem: iothub-provision device export makes one.")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
  file(READ ${path} text)
  string(REPLACE "\r\n" "\n" text "${text}")
  string(REGEX MATCHALL "-----BEGIN (${kinds})-----\n[A-Za-z0-9+/=\n]+-----END (${kinds})-----" blocks "${text}")
  if(NOT blocks)
    message(FATAL_ERROR "CONFIG_IOTHUB_CREDENTIALS_DIR: ${path} holds no PEM block of the kind ${kinds}; an encrypted key "
      "has to be decrypted first.")
  endif()
  list(JOIN blocks "\n" pem)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/iothub_credentials)
  file(WRITE ${out}/${file} "${pem}\n")
  file(CHMOD ${out}/${file} PERMISSIONS OWNER_READ OWNER_WRITE)
  file(SHA256 ${out}/${file} hash)
  string(TOUPPER ${hash} hash)
  file(READ ${out}/${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${bytes}")
  file(APPEND ${out}/credentials.inc
    "#define ${name}_SHA256 \"${hash}\"\nstatic const char ${name}[] = { ${bytes}};\n")
endfunction()

get_filename_component(folder ${CONFIG_IOTHUB_CREDENTIALS_DIR} ABSOLUTE BASE_DIR ${APPLICATION_SOURCE_DIR})
set(out ${CMAKE_CURRENT_BINARY_DIR}/iothub_credentials)
file(MAKE_DIRECTORY ${out})
file(WRITE ${out}/credentials.inc "/* A private key stands here: keep it as one. */\n")
file(CHMOD ${out}/credentials.inc PERMISSIONS OWNER_READ OWNER_WRITE)
iothub_credential(${folder} ca.pem "CERTIFICATE" ca)
iothub_credential(${folder} cert.pem "CERTIFICATE" certificate)
iothub_credential(${folder} key.pem "PRIVATE KEY|EC PRIVATE KEY|RSA PRIVATE KEY" key)
zephyr_library_include_directories(${out})
zephyr_library_sources(${CMAKE_CURRENT_LIST_DIR}/../src/credentials.c)
message(WARNING "CONFIG_IOTHUB_CREDENTIALS_DIR: the private key in ${folder} is compiled into this image. Whoever has the "
  "image, the build folder or the board's flash has the key, and every board with this image is the same device to the hub. "
  "For development only; otherwise leave the option empty and run iothub-provision up.")
