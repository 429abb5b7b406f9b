"""What vulture takes for unused and is not: found by name, or asked for by a library. `make check` reads it.

Tests are not among what vulture reads: code that only a test uses is dead.
"""

# ruff: noqa: B018, F821

# Typer finds verbs by their decorators; guise.py by a text.
_._calibrate
_._prepare
_.calibrate_performer
_.doctor
_.evaluate_face
_.evaluate_voice
_.inspect
_.live

# models/training/registry.py names families by a text.
_.CycleGanVc
_.GmmVc
_.Pix2PixStudent
_.PpgVc
_.StarGanVc
_.StarGanVc2
_.StatisticsFamily
_.VoiceStudent

# live/demo_training/characters names characters by a text.
_.Porcelain
_.Verdigris

# pydantic calls validators and reads fields; manifests hold fields that only their readers elsewhere need.
_._default_within
_._follows_the_rules
_._within_largest_size
_._power_of_two
_.left_eye
_.model_config
_.right_eye
_.runtime

# torch calls forward; PyAV, ONNX and ONNX Runtime read attributes that are set.
_.bit_rate
_.doc_string
_.execution_mode
_.forward
_.get_next
_.gop_size
_.graph_optimization_level
_.inter_op_num_threads
_.intra_op_num_threads
_.ir_version
_.log_severity_level
_.pict_type
_.pix_fmt
_.thread_count
_.thread_type

# Qt calls these.
_.closeEvent
_.eventFilter
_.minimumSizeHint
_.mouseDoubleClickEvent
_.mouseMoveEvent
_.mousePressEvent
_.mouseReleaseEvent
_.sizeHint
_.wheelEvent

# The standard library's HTTP server calls these and passes arguments by name.
_.args
_.block_on_close
_.client_address
_.daemon_threads
_.do_GET
_.do_POST
_.handle_error
_.log_message
_.request

# Fields of named tuples and enums that are read by position, by value or from the screen alone.
_.COVER
_.coverage
_.recall

# Called by hand: it makes models/families/recogniser.safetensors of a training run.
_.ship

# Tests look whether a graph was replayed: a machine without a GPU cannot show it otherwise.
_.uses_graph

# sounddevice's and rtmixer's: typed here, read by key or passed by name.
_.blocksize
_.default_input_device
_.default_output_device
_.default_samplerate
_.elementsize
_.hostapi
_.max_input_channels
_.max_output_channels
_.ringbuffer
_.samplerate

# Lightning's and torch's callbacks pass arguments by name.
_.worker
