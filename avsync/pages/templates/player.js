"use strict";
{
  const find = name => document.getElementById(name);

  for (const button of document.querySelectorAll(".line .copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {  // not allowed here: the reader can copy what is selected
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  const ENOUGH_FRAMES = 4;  // that tell the clock of the picture
  const MOST_FRAMES = 25;
  const UNSTEADY_MS = 150;  // after a start, in which frames are shown when they can be
  const WRONG_SECONDS = 0.02;  // sound that is so far from its place is started again
  const FINE_SECONDS = 0.004;  // once, as soon as the clock is known well
  const LEAD_SECONDS = 0.05;  // between asking for sound and hearing it

  const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];
  const clockFace = seconds => {
    const whole = Math.max(0, Math.round(seconds));
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    const rest = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  /** Plays the page's copy of the sound beside a muted video, moved by so many seconds. */
  class Sound {
    constructor(video, buffer, context, stretches) {
      Object.assign(this, {video, buffer, context, stretches});
      this.delay = () => 0;  // seconds by which the sound comes later, at a time of the film
      this.sources = [];
      this.frames = [];  // performance.now() at which the film's time zero would have been shown
      this.begun = null;  // film time of the sound at a time of the context
      this.steadyFrom = Infinity;
      video.requestVideoFrameCallback(this.frame);
      video.addEventListener("playing", () => { this.steadyFrom = performance.now() + UNSTEADY_MS; });
      video.addEventListener("seeking", () => this.stop());
      video.addEventListener("pause", () => this.stop());
      video.addEventListener("waiting", () => this.stop());
    }
    frame = (now, shown) => {
      if (!this.video.paused && !this.video.seeking && now > this.steadyFrom) {
        this.frames.push(shown.expectedDisplayTime - 1000 * shown.mediaTime);
        if (this.frames.length > MOST_FRAMES) this.frames.shift();
        this.follow();
      }
      this.video.requestVideoFrameCallback(this.frame);
    };
    /** What is heard at a time of the context, in milliseconds of performance.now(). */
    heardAt(time) {
      const stamp = this.context.getOutputTimestamp();
      if (stamp.performanceTime > 0) {
        return stamp.performanceTime + 1000 * (time - stamp.contextTime);
      }
      const latency = this.context.outputLatency || this.context.baseLatency || 0;
      return performance.now() + 1000 * (time + latency - this.context.currentTime);
    }
    /** Film time of the sound that belongs to a time of the context. */
    wanted(time) {
      const film = (this.heardAt(time) - this.zero) / 1000;
      return film - this.delay(film);
    }
    follow() {
      if (this.frames.length < ENOUGH_FRAMES) return;
      const zero = median(this.frames);
      const isFine = !this.settled && this.frames.length === MOST_FRAMES;
      this.settled ||= isFine;
      if (this.begun && !this.isWrong(zero, isFine ? FINE_SECONDS : WRONG_SECONDS)) return;
      this.zero = zero;
      this.start();
    }
    isWrong(zero, seconds) {
      const time = this.context.currentTime;
      const place = this.begun.film + time - this.begun.time;
      return Math.abs(zero - this.zero) > 1000 * seconds
        || Math.abs(place - this.wanted(time)) > seconds;
    }
    start() {
      this.silence();
      const time = this.context.currentTime + LEAD_SECONDS;
      const film = this.wanted(time);
      this.begun = {time, film};
      for (const [from, to, at] of this.stretches) {
        if (to <= film) continue;
        const source = new AudioBufferSourceNode(this.context, {buffer: this.buffer});
        source.connect(this.context.destination);
        const late = Math.max(0, film - from);
        source.start(time + Math.max(0, from - film), at + late, to - from - late);
        this.sources.push(source);
      }
    }
    /** Begin again from what is known of the picture's clock. */
    moved() {
      if (this.begun) this.start();
    }
    silence() {
      for (const source of this.sources) { source.stop(); source.disconnect(); }
      this.sources = [];
    }
    stop() {
      this.silence();
      this.begun = null;
      this.frames = [];
      this.settled = false;
    }
  }

  const video = find("video");
  const seek = seconds => { video.currentTime = seconds; };

  function setUp() {
    const data = JSON.parse(find("player-data").textContent);
    const words = find("player-words");
    const slider = find("by-hand");
    const duration = () => data.duration || video.duration || 1;
    let byHand = null;  // milliseconds; null: what was found
    // Of long files, charts have only what was looked at: from, to, left and width in percent.
    const pieces = data.pieces;
    const placeOf = seconds => {
      const piece = pieces.find(([from, to]) => from <= seconds && seconds <= to);
      return piece ? piece[2] + piece[3] * (seconds - piece[0]) / (piece[1] - piece[0]) : null;
    };
    const timeAt = percent => {
      const piece = pieces.findLast(([, , left]) => left <= percent) ?? pieces[0];
      const share = Math.min(1, (percent - piece[2]) / piece[3]);
      return piece[0] + share * (piece[1] - piece[0]);
    };

    const found = film => {
      let last = data.segments[0];
      for (const segment of data.segments) if (segment[0] <= film) last = segment;
      return last[1] + last[2] * (film - last[0]) / 60;
    };
    const isMoved = () => document.querySelector("[name=sound]:checked").value === "put-right";
    const chosen = film => byHand === null ? found(film) : byHand;

    const tell = () => {
      const ms = Math.round(chosen(video.currentTime));
      const moved = ms === 0 ? "as it is" : `${Math.abs(ms)} ms ${ms > 0 ? "later" : "earlier"}`;
      find("by-hand-value").textContent = `sound ${moved}`;
      slider.setAttribute("aria-valuetext", `sound ${moved}`);
      find("moved").textContent = isMoved() ? `sound ${moved}` : "sound as it is";
      for (const code of document.querySelectorAll("[data-line]")) {
        code.textContent = data.lines[code.dataset.line]
          .replaceAll("@ms@", String(ms)).replaceAll("@s@", (ms / 1000).toFixed(3));
      }
    };
    const showTime = () => {
      find("place").value = 1000 * video.currentTime / duration();
      find("place").setAttribute("aria-valuetext", clockFace(video.currentTime));
      find("clock").textContent = `${clockFace(video.currentTime)} of ${clockFace(duration())}`;
      for (const head of document.querySelectorAll(".playhead")) {
        const place = placeOf(video.currentTime);
        head.hidden = place === null;
        head.style.left = `${place}%`;
      }
      if (byHand === null && data.segments.length + Math.abs(data.segments[0][2]) > 1) tell();
    };
    video.addEventListener("timeupdate", showTime);
    video.addEventListener("seeked", showTime);
    video.addEventListener("loadedmetadata", showTime);
    video.addEventListener("error", () => {
      words.textContent = "This browser cannot play the file, or it is no longer there. "
        + "A report made with --preview has a small copy that it can play.";
    });
    for (const plot of document.querySelectorAll(".seek")) {
      plot.addEventListener("click", event => {
        const box = plot.getBoundingClientRect();
        seek(timeAt(100 * (event.clientX - box.left) / box.width));
      });
    }

    const encoded = find("player-sound");
    const canMove = encoded && video.requestVideoFrameCallback && window.AudioContext;
    if (!canMove) {
      words.textContent = "The file as it is: this page has no copy of its sound to move.";
      return;
    }
    words.textContent = "Switch between the sound as it is and as it should be, or move it by hand. "
      + "It is the page's own copy, as avsync heard it: mono, 16 kHz.";
    const playButton = find("play");
    let sound = null;
    const ready = async () => {
      if (sound) return sound;
      const context = new AudioContext();
      const bytes = Uint8Array.from(atob(encoded.textContent.split(",")[1]), c => c.charCodeAt(0));
      const buffer = await context.decodeAudioData(bytes.buffer);
      sound = new Sound(video, buffer, context, data.stretches);
      sound.delay = film => isMoved() ? chosen(film) / 1000 : 0;
      return sound;
    };
    video.muted = true;
    video.controls = false;
    find("controls").hidden = false;
    document.querySelector(".transport").hidden = false;
    const toggle = async () => {
      if (!video.paused) return video.pause();
      const {context} = await ready();
      await context.resume();
      await video.play();
    };
    playButton.addEventListener("click", toggle);
    video.addEventListener("click", toggle);
    video.addEventListener("play", () => { playButton.textContent = "Pause"; playButton.setAttribute("aria-label", "Pause"); });
    video.addEventListener("pause", () => { playButton.textContent = "Play"; playButton.setAttribute("aria-label", "Play"); });
    find("place").addEventListener("input", event => seek(duration() * event.target.value / 1000));
    const changed = () => { tell(); if (sound) sound.moved(); };
    for (const radio of document.querySelectorAll("[name=sound]")) {
      radio.addEventListener("change", changed);
    }
    slider.addEventListener("input", () => {
      byHand = Number(slider.value);
      document.querySelector("[value=put-right]").checked = true;
      changed();
    });
    find("reset").addEventListener("click", () => {
      byHand = null;
      slider.value = Math.round(found(video.currentTime));
      changed();
    });
    tell();
    if (video.readyState) showTime();
  }

  if (video) setUp();
}
