package import FlashIO
package import FlashKernels

/// How fast a host goes through weights and reads flash: what turns a token's traffic into time.
package struct HostRates: Sendable, Equatable {
  /// Bytes a second in which the threads of the run multiply rows of each format.
  package var arithmetic: [RowFormat: Double]
  /// Bytes a second in which they read DRAM doing nothing else; nil where it was not measured.
  package var memory: Double?
  /// Nil where nothing is to be read.
  package var device: DeviceProfile?

  package init(arithmetic: [RowFormat: Double], memory: Double?, device: DeviceProfile?) {
    self.arithmetic = arithmetic
    self.memory = memory
    self.device = device
  }

  /// Seconds of arithmetic over so many bytes of each format; formats that were not measured go at
  /// the slowest rate of those that were.
  func arithmeticSeconds(_ byteCounts: [RowFormat: Double]) -> Double {
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

  /// Seconds of `byteCount` bytes in order.
  package func seconds(sequentialBytes byteCount: Double) -> Double { byteCount / bandwidth }
}
