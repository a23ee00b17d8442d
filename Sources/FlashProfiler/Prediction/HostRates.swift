package import FlashIO
package import FlashKernels

/// One kind of arithmetic over rows of weights; each goes at its own rate.
package struct RowWork: Hashable, Sendable {
  package enum Operation: Sendable { case dot, accumulate }

  package var format: RowFormat
  /// Rows times a state, or rows added to one (the down part of neurons).
  package var operation: Operation
  /// Whether rows lie apart, as those of neurons that fire where others beside them do not.
  package var isScattered: Bool

  package init(_ format: RowFormat, _ operation: Operation = .dot, isScattered: Bool = false) {
    self.format = format
    self.operation = operation
    self.isScattered = isScattered
  }
}

/// How fast a host goes through weights and reads flash: what turns a token's traffic into time.
package struct HostRates: Sendable, Equatable {
  /// Bytes a second in which the threads of the run do each kind of arithmetic.
  package var arithmetic: [RowWork: Double]
  /// Bytes a second in which they read DRAM doing nothing else; nil where it was not measured.
  package var memory: Double?
  /// Nil where nothing is to be read.
  package var device: DeviceProfile?
  /// What reads take of the processor.
  package var readCost: ReadCost

  package init(
    arithmetic: [RowWork: Double], memory: Double?, device: DeviceProfile?,
    readCost: ReadCost = .none
  ) {
    self.arithmetic = arithmetic
    self.memory = memory
    self.device = device
    self.readCost = readCost
  }

  /// Seconds of arithmetic over so many bytes of each kind; what was not measured goes at the
  /// slowest rate of what was.
  func arithmeticSeconds(_ byteCounts: [RowWork: Double]) -> Double {
    let slowest = arithmetic.values.min() ?? .infinity
    return byteCounts.reduce(0) { $0 + $1.value / (arithmetic[$1.key] ?? slowest) }
  }
}

extension DeviceProfile {
  /// Seconds in which a device that has enough to do brings reads scattered over it: each costs
  /// what a read of the measured size costs, and bytes beyond that size go at the device's
  /// bandwidth.
  package func seconds(scatteredReads readCount: Double, byteCount: Double) -> Double {
    let measured = readCount * Double(readByteCount)
    return readCount / readsPerSecond + max(0, byteCount - measured) / bandwidth
  }

  /// The same reads at a part of the rates.
  package func scaled(by part: Double) -> DeviceProfile {
    DeviceProfile(
      bandwidth: bandwidth * part, readsPerSecond: readsPerSecond * part,
      readByteCount: readByteCount)
  }

  /// Seconds of `byteCount` bytes in order.
  package func seconds(sequentialBytes byteCount: Double) -> Double { byteCount / bandwidth }
}
