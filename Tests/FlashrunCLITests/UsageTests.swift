import FlashKernels
import FlashTestSupport
import Foundation
import Testing

/// What wrong command lines say, and with which exit code.
@Suite struct UsageTests {
  /// Arguments, exit code, and what standard error must contain.
  static let cases: [(arguments: [String], status: Int32, text: String)] = [
    (["--men-limit", "2G"], 64, "Unknown option '--men-limit'. Did you mean '--mem-limit'?"),
    (["--mem-limit", "2"], 64, "2 bytes is too small to be meant; did you mean '2G'?"),
    (["--mem-limit", "much"], 64, "'much' is no size"),
    (["--mem-limit"], 64, "Missing value for '--mem-limit"),
    (["inspct"], 66, "did you mean 'flashrun inspect'?"),
    (["-m", "/nowhere.flash", "-p", "x"], 66, "no such model: /nowhere.flash"),
    (["/nowhere.flash", "-p", "x"], 66, "no such model: /nowhere.flash"),
    (["a.flash", "-m", "b.flash"], 64, "two models are named: 'a.flash' and, with -m, 'b.flash'"),
    (["-p", "x", "-f", "y"], 64, "not both"),
    (["-f", "/nowhere.txt"], 66, "/nowhere.txt: No such file or directory"),
    (["-n", "-2", "-p", "x"], 64, "-n -2: it must be -1 or more"),
    (["-t", "0", "-p", "x"], 64, "--threads 0: it must be at least 1"),
    (["-c", "-5", "-p", "x"], 64, "--ctx-size -5: it must be 0 or more"),
    (["-t", "100000000000000", "-p", "x"], 64, "it must be at least 1, at most 1024"),
    (["-c", "9223372036854775807", "-p", "x"], 64, "at most 2147483647"),
    (["plan", "-c", "99999999999999999"], 64, "at most 2147483647"),
    (["--queue-depth", "4097", "-p", "x"], 64, "--queue-depth 4097: it must be at least 1"),
    (["plan", "--queue-depth", "4097"], 64, "at most 4096"),
    (["-r", "", "-p", "x"], 64, "an empty text ends nothing"),
    (["--temp", "-1", "-p", "x"], 64, "--temp -1.0: it must be 0 or more"),
    (["--top-p", "2", "-p", "x"], 64, "--top-p 2.0: it must be between 0 and 1"),
    (["--min-p", "1.5", "-p", "x"], 64, "--min-p 1.5: it must be between 0 and 1"),
    (["-l", "hello", "-p", "x"], 64, "'hello' is no bias"),
    (["--repeat-penalty", "0", "-p", "x"], 64, "it must be positive"),
    (["--sparsity", "dens", "-p", "x"], 64, "'dens' is not one of auto, dense, exact, predicted"),
    (["--sparsity", "predicted", "-p", "x"], 64, "`flashrun calibrate STORE -f TEXT`"),
    (["plan", "--sparsity", "predicted"], 64, "needs a certificate, which this store has not"),
    (["--sparsity", "threshold", "-p", "x"], 64, "--sparsity exact loses nothing"),
    (["calibrate", "--active", "0", "--self-text", "9"], 64, "must be between 0 and 1"),
    (["calibrate", "--active", "0.4", "--target-recall", "0.9"], 64, "not both"),
    (["calibrate", "--price-only", "--active", "0.4"], 64, "have no place"),
    (["--isa", "sse9", "-p", "x"], 64, "--isa 'sse9' is not one of auto, scalar"),
    (
      ["--cache-policy", "lru", "--window", "4", "-p", "x"], 64, "belongs to --cache-policy window"
    ),
    (["--window", "0", "-p", "x"], 64, "--window 0: it must be at least 1"),
    (["--cache-policy", "mru", "-p", "x"], 64, "'mru' is not one of window, lru"),
    (["--io", "aio", "-p", "x"], 64, "'aio' is invalid for '--io <engine>'"),
    (["bench", "--ablation", "--trace", "t.json"], 64, "--ablation takes no --trace"),
    (["-sys", "Be brief.", "-p", "x"], 69, "-sys"),
    (["--stats", "xml", "-p", "x"], 64, "--stats 'xml' is not one of json"),
    (["-ctk", "f64", "-p", "x"], 64, "'f64' is invalid"),
    (["chat"], 69, "the command 'chat' is planned but not built yet"),
    (["serve", "--port", "80"], 69, "the command 'serve' is planned"),
    (["calibrate", "m.flash"], 66, "no such model: m.flash"),
    (["io", "probe"], 64, "Missing expected argument '<path>'"),
    (["io", "probe", "/nowhere"], 66, "no such file or folder: /nowhere"),
    (["io", "probe", "/dev/null"], 64, "neither a folder nor a regular file"),
    (["io", "probe", "/proc/self"], 74, "to measure with"),
    (["io", "probe", "/etc/passwd"], 64, "at least 4 MiB are needed to measure"),
    (["io", "probe", "/", "--quick", "--full"], 64, "--quick and --full exclude each other"),
    (["io", "probe", "/", "--size", "many"], 64, "'many'"),
    (["io", "probe", "/", "--format", "xml"], 64, "'xml' is invalid"),
    (["io", "probe", "/", "--html", "/nowhere/x.html"], 74, "/nowhere/x.html cannot be written"),
    (["doctor", "/no/such.flash"], 66, "no such model"),
    (["io", "replay", "/no/such.json"], 66, "there is no such file"),
    (["io", "replay", "/proc/self/status"], 65, "is no trace of flashrun"),
    (["io", "replay", "/proc/self/status", "--mem-limit", "auto"], 64, "sizes or percentages"),
    (["apply-template", "--template", "x"], 69, "planned"),
    (["convert"], 64, "Missing expected argument '<source>'"),
    (["convert", "/nowhere", "/tmp/x.flash", "--type", "f32"], 66, "/nowhere"),
    (["convert", "m.gguf", "/tmp/x.flash"], 66, "m.gguf"),
    (["convert", "m.gguf", "/tmp/x.flash", "--pre", "x"], 64, "--pre 'x' is not known"),
    (["convert", "/nowhere", "/tmp/x.flash", "--type", "f99"], 64, "'f99' is invalid"),
    (
      ["synth", "/tmp/x.flash", "--shape", "lama-2-7b", "--type", "q4_0"], 64,
      "did you mean 'llama-2-7b'?"
    ),
    (
      ["synth", "/tmp/x.flash", "--shape", "llama-2-7b", "--type", "q4_0", "--active", "2"], 64,
      "--active 2.0: it must be between 0 and 1"
    ),
    (["perplexity"], 64, "there is no text: name one with -f"),
    (["perplexity", "--kl-divergence"], 64, "name it with --kl-divergence-base"),
    (
      ["perplexity", "-f", "x", "--kl-divergence-base", "b", "--all-tokens"], 64,
      "the second half of each chunk only"
    ),
    (
      ["perplexity", "--kl-divergence-base", "/nowhere.kld", "--kl-divergence"], 66,
      "/nowhere.kld: No such file"
    ),
    (["-t", "1,2", "-p", "x"], 64, "take one value here; `flashrun bench` takes lists"),
    (["plan", "--mem-limit", "1G,50%"], 64, "take one value here"),
    (["-t", "two", "-p", "x"], 64, "'two' is invalid for '-t <n>'"),
    (["bench", "-o", "xml"], 64, "'xml' is invalid for '-o <format>'"),
    (["bench", "-p", "-1"], 64, "-p -1: it must be 0 or more"),
    (["bench", "-p", "1,x"], 64, "'1,x' is invalid for '-p <n>'"),
    (["bench", "-p", "0", "-n", "0"], 64, "there is nothing to measure"),
    (["bench", "-pg", "512"], 64, "'512' is invalid for '-pg <p,n>'"),
    (["bench", "-r", "0"], 64, "-r 0: it must be at least 1"),
    (["bench", "-t", "1,0"], 64, "--threads 0: it must be at least 1"),
    (["bench", "--mem-limit", "50%,much"], 64, "'much' is no size"),
    (["bench", "--prompts", "hot"], 64, "'hot' is invalid for '--prompts <which>'"),
    (["bench", "--ablation", "-p", "64,128"], 64, "--ablation takes one -p and one -n"),
    (["bench", "-m", "/nowhere.flash"], 66, "no such model: /nowhere.flash"),
    (["logits", "-o", "/tmp/x"], 64, "--tokens-file or with --tokens"),
    (["logits", "-o", "/tmp/x", "--tokens", "1,x"], 64, "'x' is no token id"),
    (["verify", "/nowhere.flash"], 66, "no such model"),
    (["tokenize", "--tokenizer", "/nowhere.json"], 66, "/nowhere.json: No such file"),
  ]

  @Test(arguments: cases.indices)
  func aWrongCommandLineSaysWhatIsWrong(index: Int) throws {
    let expected = Self.cases[index]
    let outcome = try Tool.run(expected.arguments)
    #expect(outcome.status == expected.status, "\(expected.arguments): \(outcome.error)")
    #expect(outcome.error.contains(expected.text), "\(expected.arguments): \(outcome.error)")
    #expect(outcome.output.isEmpty)
  }

  @Test func helpListsTheExitCodesAndTheCommands() throws {
    let outcome = try Tool.run(["--help"])
    #expect(outcome.status == 0)
    for code in ["0", "1", "3", "64", "65", "66", "69", "74", "77", "130", "143"] {
      #expect(outcome.output.contains(" \(code)  "))
    }
    for name in [
      "run (default)", "convert", "plan", "inspect", "verify", "perplexity", "synth", "bench",
    ] {
      #expect(outcome.output.contains("  \(name) "))
    }
    #expect(outcome.error.isEmpty)
  }

  @Test func aLogThatCannotBeWrittenIsSaidOnce() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    try TinyModel(family: .deci, seed: 1).write(to: folder.path + "/tiny")
    let outcome = try Tool.run([
      "convert", folder.path + "/tiny", folder.path + "/tiny.flash", "--type", "f32",
      "--log-file", "/dev/full",
    ])
    #expect(outcome.status == 0)
    #expect(outcome.error.components(separatedBy: "/dev/full cannot be written").count == 2)
  }

  @Test func theVersionIsPrinted() throws {
    let outcome = try Tool.run(["--version"])
    #expect(outcome.status == 0)
    #expect(outcome.output.split(separator: ".").count == 3)
  }

  @Test func everyOptionOfTheProductIsAccepted() throws {
    // A missing model is noticed after all options were parsed and judged.
    let outcome = try Tool.run([
      "run", "-m", "/nowhere.flash", "-p", "-x", "-n", "-1", "-c", "128", "-t", "2", "-s", "-1",
      "--temp", "0.8", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.05", "--repeat-penalty",
      "1.0", "--repeat-last-n", "-1", "--presence-penalty", "-0.5", "--frequency-penalty", "0.5",
      "-l", "5+1", "--logit-bias", "6-inf", "-r", "-stop", "--stop", "b", "--reverse-prompt", "c",
      "--ignore-eos", "-ctk", "f32", "-ctv", "q8_0", "--no-display-prompt", "-v", "--log-file",
      "/dev/null", "--mem-limit", "50%", "--sparsity", "auto", "--isa", "auto", "--window", "4",
      "--cache-policy", "window", "--io", "auto", "--direct", "auto", "--queue-depth", "32",
      "--stats", "json", "--force", "--quiet", "--n-predict", "4", "--max-tokens", "5",
      "--predict", "6", "--ctx-size", "64", "--threads", "1", "--seed", "1",
    ])
    #expect(outcome.status == 66)
    #expect(outcome.error == "Error: no such model: /nowhere.flash\n")
  }

  @Test(arguments: InstructionSet.allCases)
  func anInstructionSetIsThereOrRefusedWithASentence(isa: InstructionSet) throws {
    let outcome = try Tool.run(["-m", "/nowhere.flash", "-p", "x", "--isa", isa.rawValue])
    if InstructionSet.supported.contains(isa) {
      // A missing model is noticed after all options were judged.
      #expect(outcome.status == 66)
      #expect(outcome.error.contains("no such model"))
    } else {
      #expect(outcome.status == 69)
      #expect(
        outcome.error.contains(
          "--isa \(isa.rawValue): this CPU does not have it (\(isa.instructions))"))
      #expect(outcome.error.contains("this CPU has scalar"))
    }
  }

  @Test func aWrongVariableIsNamed() throws {
    let outcome = try Tool.run(["-p", "x"], environment: ["FLASHRUN_TOP_K": "many"])
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("FLASHRUN_TOP_K: 'many' is invalid"))
  }
}
