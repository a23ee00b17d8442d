// llama.cpp's logits of all positions in f32: llama-logits MODEL.gguf TOKENS.i32 LOGITS.f32
#include <cstdio>
#include <vector>

#include "llama.h"

int main(int, char **argv) {
  llama_backend_init();
  llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
  std::vector<llama_token> tokens;
  FILE *file = fopen(argv[2], "rb");
  for (llama_token token; fread(&token, sizeof token, 1, file) == 1;) tokens.push_back(token);
  fclose(file);
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 256;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  llama_context *context = llama_init_from_model(model, parameters);
  llama_batch batch = llama_batch_init(tokens.size(), 0, 1);
  for (int index = 0; index < (int)tokens.size(); index++) {
    batch.token[index] = tokens[index];
    batch.pos[index] = index;
    batch.n_seq_id[index] = 1;
    batch.seq_id[index][0] = 0;
    batch.logits[index] = 1;
    batch.n_tokens++;
  }
  if (llama_decode(context, batch)) return 1;
  file = fopen(argv[3], "wb");
  int width = llama_vocab_n_tokens(llama_model_get_vocab(model));
  for (int index = 0; index < batch.n_tokens; index++) {
    fwrite(llama_get_logits_ith(context, index), sizeof(float), width, file);
  }
  fclose(file);
}
