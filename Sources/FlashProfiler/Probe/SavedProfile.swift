package import FlashIO
internal import FoundationEssentials
internal import Glibc

/// What a probe learnt about a device, kept for later runs: a JSON file for each device in the
/// configuration folder.
package struct SavedProfile: Codable, Sendable, Equatable {
  /// Random reads of one size at one queue depth.
  package struct Cell: Codable, Sendable, Equatable {
    package var readByteCount: Int
    package var queueDepth: Int
    package var readsPerSecond: Double
    package var medianNanoseconds: Int
    package var p99Nanoseconds: Int

    package init(
      readByteCount: Int, queueDepth: Int, readsPerSecond: Double, medianNanoseconds: Int,
      p99Nanoseconds: Int
    ) {
      self.readByteCount = readByteCount
      self.queueDepth = queueDepth
      self.readsPerSecond = readsPerSecond
      self.medianNanoseconds = medianNanoseconds
      self.p99Nanoseconds = p99Nanoseconds
    }
  }

  package static let currentVersion = 1

  package var formatVersion = currentVersion
  package var device: DeviceIdentity
  /// When it was measured, as `2026-11-21T14:20:00Z`.
  package var measuredAt: String
  /// `io_uring` or `pread`.
  package var method: String
  /// Whether nothing was found that answers in the device's place.
  package var isCold: Bool
  /// The file that was read, where it had been there before; nil for one that was made.
  package var measuredFile: String?
  /// Bytes a second in long reads in order, at the best queue depth.
  package var bandwidth: Double
  /// What is left of that when reading goes on; nil where that was not seen.
  package var sustainedBandwidth: Double?
  package var cells: [Cell]

  package init(
    device: DeviceIdentity, measuredAt: String, method: String, isCold: Bool, bandwidth: Double,
    sustainedBandwidth: Double?, cells: [Cell]
  ) {
    self.device = device
    self.measuredAt = measuredAt
    self.method = method
    self.isCold = isCold
    self.bandwidth = bandwidth
    self.sustainedBandwidth = sustainedBandwidth
    self.cells = cells
  }

  /// Whether runs may go by it. A cache in front of the device that kept what was just written is
  /// not there for a store; one that kept a file from before is, and runs meet it too.
  package var isUsable: Bool { isCold || measuredFile != nil }

  /// Random reads of a size, as the cells tell.
  package func randomReads(ofByteCount byteCount: Int) -> RandomReadRate {
    RandomReadRate(ofByteCount: byteCount, in: cells)
  }

  /// As runs use it.
  package func profile(readByteCount: Int) -> DeviceProfile {
    DeviceProfile(
      bandwidth: bandwidth, readsPerSecond: randomReads(ofByteCount: readByteCount).perSecond,
      readByteCount: readByteCount)
  }

  /// Whether the numbers can be used at all: a damaged file must not steer a run.
  var isSound: Bool {
    let rates = cells.map(\.readsPerSecond) + [bandwidth, sustainedBandwidth ?? 1]
    return formatVersion == Self.currentVersion && !cells.isEmpty
      && rates.allSatisfy { $0.isFinite && $0 > 0 }
      && cells.allSatisfy { $0.readByteCount > 0 && (1...4096).contains($0.queueDepth) }
  }
}

/// Reads a second of a size, at the depth that a device wants for them.
package struct RandomReadRate: Sendable, Equatable {
  package var perSecond: Double
  /// The smallest depth that brings 95 % of what the best one does.
  package var queueDepth: Int

  /// A queue this deep brings nearly what the deepest brings.
  private static let nearlyAll = 0.95

  /// From cells; between two sizes that were measured the time of a read is taken to grow
  /// linearly, above the largest with the bytes, and below the smallest not at all.
  ///
  /// - Precondition: there is a cell.
  init(ofByteCount byteCount: Int, in cells: [SavedProfile.Cell]) {
    let sizes = Set(cells.map(\.readByteCount)).sorted()
    guard let smallest = sizes.first else { preconditionFailure("a profile has cells") }
    func best(_ size: Int) -> Double {
      cells.filter { $0.readByteCount == size }.map(\.readsPerSecond).max() ?? 1
    }
    let below = sizes.last { $0 <= byteCount } ?? smallest
    let above = sizes.first { $0 >= byteCount } ?? below
    let near = byteCount - below <= above - byteCount || above == below ? below : above
    queueDepth =
      cells.filter {
        $0.readByteCount == near && $0.readsPerSecond >= Self.nearlyAll * best(near)
      }.map(\.queueDepth).min() ?? 64
    if above > below {
      let part = Double(byteCount - below) / Double(above - below)
      perSecond = 1 / ((1 - part) / best(below) + part / best(above))
    } else {
      perSecond = best(below) * min(1, Double(below) / Double(max(1, byteCount)))
    }
  }
}

/// The folder of saved profiles, a file for each device.
package struct ProfileStore: Sendable {
  /// What was found for a device.
  package enum Finding: Sendable, Equatable {
    case none
    case found(SavedProfile)
    /// There is one, and why it is not used: a sentence without a full stop.
    case refused(String)
  }

  package var folder: String

  /// - Parameter configurationFolder: `$XDG_CONFIG_HOME/flashrun`.
  package init(configurationFolder: String) {
    folder = configurationFolder + "/devices"
  }

  /// `…/devices/259-1.json`.
  package func path(for device: DeviceIdentity) -> String {
    "\(folder)/\(device.number.replacing(":", with: "-")).json"
  }

  /// The profile of a device; one of another device under its number is refused.
  package func profile(of device: DeviceIdentity) -> Finding {
    let path = path(for: device)
    guard let data = try? Data(contentsOf: URL(filePath: path)) else { return .none }
    guard let saved = try? JSONDecoder().decode(SavedProfile.self, from: data), saved.isSound else {
      return .refused("\(path) is no device profile of this version")
    }
    guard saved.device == device else {
      return .refused(
        "\(path) was measured on another device: \(Self.difference(saved.device, device))")
    }
    return .found(saved)
  }

  /// Replaces the device's profile in one step; the folder is made.
  ///
  /// - Throws: what making a folder or writing a file throws; `reason(_:)` puts it into words.
  package func save(_ profile: SavedProfile) throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try encoder.encode(profile).write(
      to: URL(filePath: path(for: profile.device)), options: .atomic)
  }

  /// Why saving failed, as the kernel says it.
  package static func reason(_ error: any Error) -> String {
    let cause = (error as? CocoaError)?.underlying as? POSIXError
    return cause.map { Errno.text($0.code.rawValue) } ?? "\(error)"
  }

  private static func difference(_ old: DeviceIdentity, _ new: DeviceIdentity) -> String {
    func size(_ device: DeviceIdentity) -> String {
      device.byteCount.map(Quantity.bytes) ?? "of no known size"
    }
    if old.number != new.number { return "number \(old.number), and here it is \(new.number)" }
    if old.fileSystem != new.fileSystem {
      return "file system \(old.fileSystem), and here it is \(new.fileSystem)"
    }
    if old.byteCount != new.byteCount {
      return "\(size(old)), and here it is \(size(new))"
    }
    return "\(old.model ?? old.name), and here it is \(new.model ?? new.name)"
  }
}
