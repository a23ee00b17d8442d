internal import Glibc

/// Opening a file the best way its file system allows.
extension FlashFile {
  struct Opened {
    var descriptor: Int32
    var identity: FileIdentity
    /// nil where reads are buffered.
    var alignment: DirectAlignment?
    /// Why reads are buffered although direct ones were wanted.
    var reason: String?
  }

  static func open(
    path: String, direct: DirectMode, support: DirectSupport
  ) throws(FileFailure) -> Opened {
    var reason: String?
    if direct != .off {
      switch try openDirect(path: path, support: support) {
      case .opened(let opened): return opened
      case .refused(let why): reason = why
      }
    }
    if direct == .on, let reason {
      throw FileFailure(path: path, kind: .directRefused(reason: reason))
    }
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw FileFailure(path: path, kind: .refused(operation: "opening", code: errno))
    }
    let status = try checkedStatus(descriptor: descriptor, path: path)
    return Opened(descriptor: descriptor, identity: FileIdentity(status), reason: reason)
  }

  private enum DirectAttempt {
    case opened(Opened)
    case refused(String)
  }

  private static func openDirect(
    path: String, support: DirectSupport
  ) throws(FileFailure) -> DirectAttempt {
    let descriptor =
      unsafe support == .refused
      ? -1 : Glibc.open(path, O_RDONLY | O_CLOEXEC | __O_DIRECT)
    guard descriptor >= 0 else {
      let code = support == .refused ? EINVAL : errno
      // Only EINVAL speaks of O_DIRECT; the buffered open reports everything else.
      return .refused("the file system refuses O_DIRECT (\(Errno.symbol(code)))")
    }
    let status = try checkedStatus(descriptor: descriptor, path: path)
    var alignment = status.alignment
    if case .unit(let unit) = support {
      precondition(unit > 0 && unit & (unit - 1) == 0, "a unit is a power of two")
      alignment = DirectAlignment(unit: unit, memory: unit)
    }
    if support == .pretended { alignment = nil }
    if alignment == nil {
      if support == .pretended || status.isDirectPretended {
        close(descriptor)
        return .refused("the file system takes O_DIRECT and reads through the page cache")
      }
      if StatusOfFile.isInMemory(descriptor: descriptor) {
        close(descriptor)
        return .refused("the file system is memory, and its pages are the page cache")
      }
      // Kernels before 6.1 name no unit: 4 KiB is a multiple of every common one.
      alignment = DirectAlignment(unit: 4096, memory: 4096)
    }
    return .opened(
      Opened(descriptor: descriptor, identity: FileIdentity(status), alignment: alignment))
  }

  /// Closes the descriptor where it throws.
  private static func checkedStatus(
    descriptor: Int32, path: String
  ) throws(FileFailure) -> StatusOfFile {
    do throws(FileFailure) {
      let status = try StatusOfFile.read(descriptor: descriptor, path: path)
      let kind = status.mode & UInt32(S_IFMT)
      guard kind == S_IFREG else {
        throw FileFailure(path: path, kind: .notRegular)
      }
      return status
    } catch {
      close(descriptor)
      throw error
    }
  }
}
