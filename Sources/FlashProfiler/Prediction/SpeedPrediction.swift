package import FlashIO

/// What a token's traffic comes to in time on a host, and what bounds it.
///
/// Weights that pass through in order are read far ahead, so reading and arithmetic hide one
/// another and the longer one is the token's time. Neurons are asked for layer by layer, when it is
/// known what fires: their reads are hidden by what is multiplied meanwhile in that layer, and what
/// is left stalls it.
package struct SpeedPrediction: Sendable, Equatable {
  /// What takes the token's time.
  package enum Bound: String, Sendable, CaseIterable {
    /// Reading weights in DRAM, at 80 % or more of what DRAM gives.
    case memory = "dram"
    case arithmetic
    case flashBandwidth = "flash_bandwidth"
    case flashReads = "flash_iops"

    package var title: String {
      switch self {
      case .memory: "DRAM"
      case .arithmetic: "arithmetic"
      case .flashBandwidth: "flash bandwidth"
      case .flashReads: "flash IOPS"
      }
    }
  }

  /// Seconds of a token in kernels, were everything in DRAM.
  package var arithmeticSeconds: Double
  /// Seconds in which the device brings what the token reads.
  package var flashSeconds: Double
  /// Seconds in which arithmetic waits for it.
  package var stallSeconds: Double
  package var bound: Bound

  package var seconds: Double { arithmeticSeconds + stallSeconds }
  package var tokensPerSecond: Double { 1 / seconds }

  /// Of arithmetic's rate and DRAM's, how near they are for DRAM to be the bound.
  private static let nearMemory = 0.8

  /// What whole tokens reach of the rates of single kernels, whose matrices are larger and follow
  /// one another without norms and attention: 0.86 to 0.95 for decilm-6b in q4_0 on two cores.
  private static let shareOfKernelRate = 0.92
  /// Finding a neuron in the window: a decoded token of decilm-6b at 70 % spends 3 ms apart from
  /// kernels and reads on 28,000 of them.
  static let secondsPerLookUp = 100e-9

  /// What is left of the bandwidth beside arithmetic, which shares DRAM and cores with the reads:
  /// three models in q4_0 at three limits each on a 2-core host had 0.82 to 0.94 of what the device
  /// gave alone.
  private static let bandwidthBesideArithmetic = 0.9

  /// - Precondition: the device's rates are there where something is read.
  package init(_ traffic: TokenTraffic, _ rates: HostRates) {
    let attention = rates.memory.map { traffic.keyValueByteCount / $0 } ?? 0
    func seconds(_ byteCounts: [RowWork: Double]) -> Double {
      rates.arithmeticSeconds(byteCounts) / Self.shareOfKernelRate
    }
    self.init(
      arithmeticSeconds: seconds(traffic.weightByteCounts) + attention
        + traffic.lookUpCount * Self.secondsPerLookUp
        + rates.readCost.seconds(calls: traffic.readCallCount, reads: traffic.scatteredCount),
      coveringSeconds: seconds(traffic.coveringByteCounts),
      memorySeconds: rates.memory.map { traffic.weightByteCount / $0 },
      reads: traffic.reads, spread: traffic.missSpread,
      // Experts are large enough for the bandwidth to be what they take.
      device: traffic.missSpread == nil
        ? rates.device : rates.device?.scaled(by: Self.bandwidthBesideArithmetic))
  }

  /// - Parameters:
  ///   - arithmeticSeconds: a token's, were everything in DRAM.
  ///   - coveringSeconds: of those, what goes on while scattered reads are in flight.
  ///   - memorySeconds: what DRAM alone would take; nil where its rate is not known.
  ///   - spread: of scattered reads, where experts are missing.
  ///   - device: there where something is read.
  package init(
    arithmeticSeconds: Double, coveringSeconds: Double, memorySeconds: Double?,
    reads: TokenReads, spread: MissSpread? = nil, device: DeviceProfile?
  ) {
    self.arithmeticSeconds = arithmeticSeconds
    bound = memorySeconds ?? 0 >= arithmeticSeconds * Self.nearMemory ? .memory : .arithmetic
    (flashSeconds, stallSeconds) = (0, 0)
    guard reads.order != .none, reads.byteCount > 0 else { return }
    guard let device else { preconditionFailure("what is read has a device") }
    let sequential = device.seconds(sequentialBytes: reads.byteCount)
    switch reads.order {
    case .none: return
    case .sequential:
      flashSeconds = sequential / Self.bandwidthBesideArithmetic
      stallSeconds = max(0, flashSeconds - arithmeticSeconds)
    case .scattered:
      flashSeconds = device.seconds(scatteredReads: reads.count, byteCount: reads.byteCount)
      // Of neurons every layer lacks some, so the sum is what each leaves.
      stallSeconds =
        spread?.stallSeconds(flashSeconds: flashSeconds, coveringSeconds: coveringSeconds)
        ?? max(0, flashSeconds - coveringSeconds)
    }
    if flashSeconds > arithmeticSeconds {
      bound = sequential > 0.5 * flashSeconds ? .flashBandwidth : .flashReads
    }
  }
}
