internal import ArgumentParser
internal import Flashrun

/// Numbers separated by commas, as llama-bench takes them: `256,512`.
struct CountList: Equatable, Sendable, ExpressibleByArgument {
  var counts: [Int]

  init?(argument: String) {
    counts = []
    for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let count = Int(word.filter { $0 != " " }) else { return nil }
      counts.append(count)
    }
  }
}

/// Sizes separated by commas: `25%,50%,2G`.
struct SizeList: Equatable, Sendable {
  var sizes: [SizeArgument]

  /// - Throws: `Failure` (usage), as `SizeArgument` does.
  init(parsing text: String) throws(Failure) {
    sizes = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      sizes.append(try SizeArgument(parsing: String(word)))
    }
  }

  var limits: [MemoryLimit] {
    sizes.map { size in
      switch size {
      case .automatic: .automatic
      case .bytes(let byteCount): .bytes(byteCount)
      case .percent(let percent): .fractionOfModel(percent / 100)
      }
    }
  }
}
