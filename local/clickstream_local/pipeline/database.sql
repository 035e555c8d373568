-- What the pipeline's user needs and no more: it reads one table and its changes.
CREATE TABLE IF NOT EXISTS public.user_profiles (
  user_id   text PRIMARY KEY,
  name      text NOT NULL,
  email     text NOT NULL,
  country   text NOT NULL,
  plan_tier text NOT NULL
);
