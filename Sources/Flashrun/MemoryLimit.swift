package import FlashIO

/// How much memory the whole process may take.
public enum MemoryLimit: Sendable, Equatable {
  /// The smaller of what control groups leave and what is truly free, less a reserve.
  case automatic
  case bytes(Int)
  /// Of the bytes of the weights as stored, without padding; 0.5 is half.
  case fractionOfModel(Double)
}

/// What `MemoryLimit.automatic` came to, and how.
package struct AutomaticLimit: Sendable, Equatable {
  /// The smallest limit of a control group around this process, if one has any.
  package var groupLimit: Int?
  /// What control groups and the host have left now.
  package var freeByteCount: Int
  /// What is left for everybody else: a 16th, from 8 to 512 MiB.
  package var reserveByteCount: Int

  package init(_ limits: MemoryLimits) {
    groupLimit = limits.groupLimit
    freeByteCount = limits.trulyFree
    reserveByteCount = min(512 << 20, max(8 << 20, limits.trulyFree / 16))
  }

  package var byteCount: Int { max(0, freeByteCount - reserveByteCount) }
}
