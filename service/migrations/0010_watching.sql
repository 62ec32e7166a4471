-- Why: the page of a job shows all that happened to it. A run of ten thousand panels has as many events, nearly all of
-- them progress, and a page that renews itself must not read them all to find the dozen that are not.

-- What happened to a job, in order, without its progress.
CREATE INDEX events_story ON events (job, seq) WHERE kind <> 'progress';
