/// A file that cannot be opened, or that is no longer the one that was opened.
package struct FileFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    /// `operation` failed with an error number.
    case refused(operation: String, code: Int32)
    /// It is a folder, a device, a socket or a pipe.
    case notRegular
    /// Direct I/O was demanded and cannot be done, for this reason.
    case directRefused(reason: String)
    /// It was replaced, truncated or written to while it was open.
    case changed(from: FileIdentity, to: FileIdentity)
  }

  package var path: String
  package var kind: Kind

  package init(path: String, kind: Kind) {
    self.path = path
    self.kind = kind
  }

  /// The error number where the kernel gave one.
  package var code: Int32? {
    if case .refused(_, let code) = kind { code } else { nil }
  }

  package var description: String {
    switch kind {
    case .refused(let operation, let code):
      "\(operation) \(path): \(Errno.text(code)) (\(Errno.likelyCause(code)))"
    case .notRegular:
      "\(path) is not a regular file"
    case .directRefused(let reason):
      "\(path) cannot be read with O_DIRECT: \(reason)"
    case .changed(let old, let new):
      "\(path) \(Self.change(from: old, to: new)) while it was open"
    }
  }

  private static func change(from old: FileIdentity, to new: FileIdentity) -> String {
    if old.inode != new.inode || old.device != new.device {
      "was replaced by another file"
    } else if new.byteCount < old.byteCount {
      "was truncated from \(old.byteCount) to \(new.byteCount) bytes"
    } else if new.byteCount > old.byteCount {
      "grew from \(old.byteCount) to \(new.byteCount) bytes"
    } else {
      "was written to"
    }
  }
}
