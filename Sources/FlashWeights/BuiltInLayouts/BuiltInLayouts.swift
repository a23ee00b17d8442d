// Made by scripts/embed-layouts from layouts/*.json; edit those and run it again.

/// The layouts inside the binary: the text of each file of `layouts/` by its name.
package enum BuiltInLayouts {
  package static let texts: [(name: String, text: String)] = [
    ("bamboo", bamboo),
    ("deci", deci),
    ("falcon", falcon),
    ("gemma", gemma),
    ("gemma2", gemma2),
    ("gemma3", gemma3),
    ("gpt-neox", gptNeox),
    ("gpt-oss", gptOss),
    ("granite", granite),
    ("llama", llama),
    ("mistral", mistral),
    ("mixtral", mixtral),
    ("nemotron-nas", nemotronNas),
    ("nemotron", nemotron),
    ("olmo2", olmo2),
    ("olmoe", olmoe),
    ("opt", opt),
    ("phi", phi),
    ("phi3", phi3),
    ("prosparse", prosparse),
    ("qwen2-moe", qwen2Moe),
    ("qwen2", qwen2),
    ("qwen3-moe", qwen3Moe),
    ("qwen3", qwen3),
    ("smallthinker", smallthinker),
    ("smollm3", smollm3),
    ("stablelm", stablelm),
    ("starcoder2", starcoder2),
    ("turbosparse-mixtral", turbosparseMixtral),
  ]
}
