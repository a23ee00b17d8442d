internal import Glibc

/// Names, texts and likely causes of the kernel's error numbers.
package enum Errno {
  /// `EIO: Input/output error`.
  package static func text(_ code: Int32) -> String {
    let text = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "unknown error"
    return "\(symbol(code)): \(text)"
  }

  /// The symbol of an error number that file and ring calls give, such as `EIO`.
  package static func symbol(_ code: Int32) -> String {
    symbols.first { $0.code == code }?.name ?? "error \(code)"
  }

  /// What usually makes a read or an open fail with `code`; a sentence without a full stop.
  package static func likelyCause(_ code: Int32) -> String {
    switch code {
    case EIO, EREMOTEIO: "the device reports an unreadable sector or a broken link"
    case ENODEV, ENXIO, ESHUTDOWN: "the device went away"
    case ESTALE: "the file was removed on the file server"
    case ENOMEM: "the kernel has no memory for the request"
    case EINVAL: "the offset, length or address does not fit the device's direct-I/O unit"
    case EACCES, EPERM: "permission is missing"
    case ENOENT: "there is no such file"
    case EISDIR: "it is a folder"
    case EMFILE, ENFILE: "too many files are open"
    case EAGAIN, EINTR: "the read was interrupted again and again"
    case ETIMEDOUT: "the device does not answer"
    default: "the kernel gives no more detail"
    }
  }

  private static let symbols: [(code: Int32, name: String)] = [
    (EIO, "EIO"), (EREMOTEIO, "EREMOTEIO"), (ENODEV, "ENODEV"), (ENXIO, "ENXIO"),
    (ESHUTDOWN, "ESHUTDOWN"), (ESTALE, "ESTALE"), (ENOMEM, "ENOMEM"), (EINVAL, "EINVAL"),
    (EACCES, "EACCES"), (EPERM, "EPERM"), (ENOENT, "ENOENT"), (EISDIR, "EISDIR"),
    (EMFILE, "EMFILE"), (ENFILE, "ENFILE"), (EAGAIN, "EAGAIN"), (EINTR, "EINTR"),
    (ETIMEDOUT, "ETIMEDOUT"), (EBADF, "EBADF"), (EFAULT, "EFAULT"), (ENOSYS, "ENOSYS"),
    (EBUSY, "EBUSY"), (EOPNOTSUPP, "EOPNOTSUPP"), (ECANCELED, "ECANCELED"), (ENOTDIR, "ENOTDIR"),
    (ELOOP, "ELOOP"), (EOVERFLOW, "EOVERFLOW"), (EBADFD, "EBADFD"), (ENOSPC, "ENOSPC"),
    (EROFS, "EROFS"), (EDQUOT, "EDQUOT"),
  ]
}
