"""What every gradient-trained method needs and no paper is about: data, streams, schedules, progress, history."""
