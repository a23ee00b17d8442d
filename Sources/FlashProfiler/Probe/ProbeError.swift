/// A probe that cannot begin.
package enum ProbeError: Error, Sendable, Equatable, CustomStringConvertible {
  case missing(path: String)
  /// Neither a folder, a file nor a store.
  case noFile(path: String)
  case tooSmall(path: String, byteCount: Int)
  /// Of a file that is to be made.
  case sizeTooSmall(byteCount: Int)
  /// The folder takes no file; `reason` is the kernel's.
  case noPlace(folder: String, reason: String)
  /// The file system has not enough room for the smallest file.
  case full(folder: String, freeByteCount: Int)

  package var description: String {
    switch self {
    case .missing(let path): "no such file or folder: \(path)"
    case .noFile(let path): "\(path) is neither a folder nor a regular file"
    case .tooSmall(let path, let byteCount):
      "\(path) has \(byteCount) bytes; at least \(Quantity.bytes(ProbeTarget.leastByteCount)) "
        + "are needed to measure"
    case .sizeTooSmall(let byteCount):
      "a file of \(byteCount) bytes says nothing; at least "
        + "\(Quantity.bytes(ProbeTarget.leastByteCount)) are needed to measure"
    case .noPlace(let folder, let reason):
      "\(folder) takes no file to measure with: \(reason)"
    case .full(let folder, let freeByteCount):
      "\(folder) has no room for a file to measure with: \(Quantity.bytes(freeByteCount)) are "
        + "free, at least \(Quantity.bytes(2 * ProbeTarget.leastByteCount)) are needed"
    }
  }
}
