"""What vulture takes for unused and is not: found by name, or asked for by a library. `make check` reads it.

Tests are not among what vulture reads: code that only a test uses is dead.
"""

# ruff: noqa: B018, F821

# Typer finds verbs by their decorators; guise.py by a text, and what a verb calls first too.
_._calibrate
_._prepare
_.allow_slow_runs
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

# live/picture/sources/registry.py names kinds of source, live/outputs/registry.py outputs by a text.
_.DemoSource
_.MovieFile
_.Recorder
_.UrlSource
_.Webcam

# live/demo_training/characters names characters by a text.
_.Porcelain
_.Verdigris

# pydantic calls validators and reads fields; manifests hold fields that only their readers elsewhere need.
_._default_within
_._follows_the_rules
_._from_text
_._until_not_before_date
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
_.skip_frame
_.thread_count
_.thread_type

# Qt calls these.
_.closeEvent
_.eventFilter
_.keyReleaseEvent
_.nativeEventFilter
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

# Keys of figures: TypedDicts, read by their text, or written to JSON alone.
_.annotated
_.change_generated
_.change_real
_.equal_when_rounded
_.face2face_longest_loss
_.face2face_lost_share
_.face2face_ms
_.face_found
_.farthest_px
_.filmed
_.first_frame_median_s
_.first_frame_s
_.flicker_points
_.frames_late
_.gone_after_s
_.guise
_.identity_p95
_.interval
_.kink_over_surroundings_median
_.kink_over_surroundings_worst
_.l1_mean
_.lag_beyond_declared_ms
_.lags_ms
_.latency_heard_ms
_.left_behind
_.longest_gap
_.look_alone
_.lost_share
_.mean_px
_.missing_samples
_.nearer_target
_.of_classic_p95
_.on_stage_after_s
_.openings_real
_.own_identity_median
_.own_identity_p95
_.percent_an_hour
_.prdc_of_target
_.processes_seen
_.pss_first
_.pss_last
_.pss_median
_.pss_peak
_.pss_performing
_.quiet_gap
_.reconstruction_db
_.reported_gaps
_.samples_missing_at_switches
_.shared_memory
_.similarity_source
_.similarity_target
_.ssim_mean
_.total_ms
_.tracker_ms
_.voice_ms
_.worst_face_px

# Keys of the report, which its readers outside of the program need.
_.compute
_.frame_gap
_.frames_presented
_.picture_delay
_.presented_latency
_.presented_longest_gap
_.ready_after
_.recovered_after
_.skew
_.sound_delay

# Attributes of FFmpeg's codec contexts, which the encoder reads.
_.color_primaries
_.color_range
_.color_trc
_.colorspace
_.sample_aspect_ratio
