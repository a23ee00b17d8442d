/// What can be wrong with a checkpoint, a layout, a store or the disk they lie on.
///
/// One value for all of them, so that every message names what it can: the file, the offset in it,
/// the tensor, what was expected and what was found. `kind.category` decides the exit code.
package struct StoreError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The exit codes of the command line, by name (`sysexits.h`).
  package enum Category: Int32, Sendable {
    case usage = 64
    case badData = 65
    case noInput = 66
    case inputOutput = 74
    case interrupted = 130
  }

  package enum Kind: String, Sendable, CaseIterable {
    // Safetensors files.
    case headerTooSmall, headerTooLarge, headerLength, headerNotUTF8, headerNotJSON
    case duplicateKey, invalidTensorEntry, unknownDataType, sizeOverflow, invalidOffset
    case sizeMismatch, dataLength
    // Checkpoints as a whole.
    case pointerFile, unsafeShardName, missingShard, shardIndex, pickledWeights, notACheckpoint
    case gguf, configuration, unsupportedModel, layout
    case missingTensor, unexpectedTensor, tensorShape, routerValues, tiedHead, companion
    // Stores.
    case manifest, futureVersion, missingFile, storeFileLength, damagedExtent, damagedFile
    case calibration, foreignCalibration
    // The world around them.
    case noSuchFile, unusableTarget, targetExists, targetBusy, diskSpace, inputOutput, interrupted

    package var category: Category {
      switch self {
      case .noSuchFile, .missingShard, .notACheckpoint: .noInput
      case .unusableTarget, .targetExists, .targetBusy: .usage
      case .diskSpace, .inputOutput: .inputOutput
      case .interrupted: .interrupted
      default: .badData
      }
    }
  }

  package var kind: Kind
  /// What is wrong, as the end of a sentence, and what to do about it where something can be done.
  package var problem: String
  package var file: String?
  /// Bytes from the start of the file.
  package var offset: Int?
  package var tensor: String?
  /// A key of the metadata.
  package var key: String?
  package var expected: String?
  package var found: String?

  package init(
    _ kind: Kind, _ problem: String, file: String? = nil, offset: Int? = nil,
    tensor: String? = nil, key: String? = nil, expected: String? = nil, found: String? = nil
  ) {
    self.kind = kind
    self.problem = problem
    self.file = file
    self.offset = offset
    self.tensor = tensor
    self.key = key
    self.expected = expected
    self.found = found
  }

  package var category: Category { kind.category }

  package var description: String {
    var place: [String] = []
    if let file { place.append(file) }
    if let offset { place.append("offset \(offset)") }
    if let tensor { place.append("tensor \(tensor)") }
    if let key { place.append("key \(key)") }
    var text = place.isEmpty ? problem : place.joined(separator: ", ") + ": " + problem
    if let expected { text += "; expected \(expected)" }
    if let found { text += (expected == nil ? "; found " : ", found ") + found }
    return text
  }
}
