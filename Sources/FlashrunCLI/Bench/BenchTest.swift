internal import ArgumentParser

/// What is measured: a prompt, a generation, or one after the other; llama-bench's names.
struct BenchTest: Equatable, Sendable {
  /// Tokens of the prompt; 0 for a generation alone.
  var promptCount: Int
  /// Tokens generated; 0 for a prompt alone.
  var generationCount: Int

  /// `pp512`, `tg128` or `pp512+tg128`.
  var name: String {
    let prompt = promptCount > 0 ? "pp\(promptCount)" : nil
    let generation = generationCount > 0 ? "tg\(generationCount)" : nil
    return [prompt, generation].compactMap(\.self).joined(separator: "+")
  }

  var tokenCount: Int { promptCount + generationCount }

  /// Positions of the context: a generation alone begins with one token, and a prompt's last
  /// position is followed by a choice.
  var contextLength: Int { tokenCount + 2 }
}

/// `512,128`, for `-pg`.
struct TestPair: Equatable, Sendable, ExpressibleByArgument {
  var test: BenchTest

  init?(argument: String) {
    guard let list = CountList(argument: argument)?.counts, list.count == 2,
      list.allSatisfy({ $0 > 0 })
    else { return nil }
    test = BenchTest(promptCount: list[0], generationCount: list[1])
  }
}

/// Which prompt a repetition gets, and what is in memory when it comes.
enum CacheState: String, CaseIterable, Sendable {
  /// The model freshly opened: nothing is in the window.
  case cold
  /// The prompt of the repetition before.
  case warm
  /// Another prompt each time, the window full of the one before.
  case rotating

  /// Those that `--prompts` names.
  enum Choice: String, CaseIterable, ExpressibleByArgument, Sendable {
    case cold, warm, rotating, all

    var states: [CacheState] {
      CacheState(rawValue: rawValue).map { [$0] } ?? CacheState.allCases
    }
  }
}
