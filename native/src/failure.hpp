#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace rsm {

/// What went wrong, with the code that JavaScript sees. Thrown by the control plane only: the hot path returns statuses.
class Failure : public std::runtime_error {
 public:
  Failure(const char* code, const std::string& message, int error = 0)
      : std::runtime_error(error ? message + ": " + std::strerror(error) : message), code_(code), error_(error) {}

  const char* code() const { return code_; }
  /// The errno behind it, 0 if none.
  int error() const { return error_; }

 private:
  const char* code_;
  int error_;
};

namespace codes {
inline constexpr const char* kUnreachable = "RSM_UNREACHABLE";
inline constexpr const char* kConnectionLost = "RSM_CONNECTION_LOST";
inline constexpr const char* kBackpressure = "RSM_BACKPRESSURE";
inline constexpr const char* kMessageTooLarge = "RSM_MESSAGE_TOO_LARGE";
inline constexpr const char* kProtocolMismatch = "RSM_PROTOCOL_MISMATCH";
inline constexpr const char* kPermissionDenied = "RSM_PERMISSION_DENIED";
inline constexpr const char* kCorruptSegment = "RSM_CORRUPT_SEGMENT";
inline constexpr const char* kInvalidOptions = "RSM_INVALID_OPTIONS";
inline constexpr const char* kUnsupportedPlatform = "RSM_UNSUPPORTED_PLATFORM";
inline constexpr const char* kOutOfResources = "RSM_OUT_OF_RESOURCES";
}  // namespace codes

/// Of a system call that failed with `error`: RSM_OUT_OF_RESOURCES, with what to do, where descriptors or memory ran out; else `otherwise`.
inline Failure systemFailure(const char* otherwise, const std::string& message, int error) {
  switch (error) {
    case EMFILE:
      return {codes::kOutOfResources, message + "; raise this process's limit of open descriptors (ulimit -n)", error};
    case ENFILE:
      return {codes::kOutOfResources, message + "; raise this host's limit of open files (sysctl fs.file-max)", error};
    case ENOMEM:
    case ENOSPC:
      return {codes::kOutOfResources, message + "; give this process or its container more memory, or receive into smaller segments", error};
    case EFBIG:
      return {codes::kOutOfResources, message + "; raise this process's limit of file sizes (ulimit -f), which holds for shared memory too", error};
    default:
      return {otherwise, message, error};
  }
}

}  // namespace rsm
