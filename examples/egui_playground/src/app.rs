//! The panel and what it shows; it runs the same in a window and without one.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use eframe::egui::{self, Color32, Rect, RichText, Sense, Stroke, Ui};
use egui_plot::{GridInput, GridMark, Line, LineStyle, Plot, PlotPoint, Text, VLine};
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use minibatch::{Gpu, wgpu};

use crate::boundary::Picture;
use crate::points::PointSet;
use crate::settings::{ACTIVATIONS, BATCH_SIZES, Pace, Task};
use crate::training::Training;

/// The colours of the two classes; the shader of the picture has the same.
const CLASSES: [Color32; 2] = [Color32::from_rgb(92, 160, 255), Color32::from_rgb(255, 168, 76)];
const CURVE: Color32 = Color32::from_rgb(120, 200, 140);
const PROBLEM: Color32 = Color32::from_rgb(255, 120, 110);

/// A call that is under way; the frames poll it.
type Building = Pin<Box<dyn Future<Output = minibatch::Result<Training>> + Send>>;

/// What there is to train.
enum Stage {
    Empty,
    Building(Building),
    Training(Arc<Mutex<Training>>),
}

/// The app.
pub struct Playground {
    gpu: Gpu,
    device: wgpu::Device,
    queue: wgpu::Queue,
    picture: Picture,
    task: Task,
    pub pace: Pace,
    points: Vec<[f32; 3]>,
    stage: Stage,
    playing: bool,
    curve: Vec<[f64; 2]>,
    /// Steps at which the batch size changed, and its new value.
    changes: Vec<(f64, usize)>,
    problem: Option<String>,
    /// What wgpu reports outside of any call of this app.
    device_problem: Arc<Mutex<Option<String>>>,
    /// Where the widgets are that a script presses, by name.
    pub places: BTreeMap<String, Rect>,
}

impl Playground {
    pub fn new(context: &egui::Context, shared: &RenderState, task: Task) -> Self {
        context.set_theme(egui::Theme::Dark);
        let device_problem = Arc::<Mutex<Option<String>>>::default();
        // The device is the app's, so the app has its handlers; wgpu's own would panic.
        let report = Arc::clone(&device_problem);
        shared.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            *lock(&report) = Some(error.to_string());
        }));
        let report = Arc::clone(&device_problem);
        shared.device.set_device_lost_callback(move |reason, message| {
            *lock(&report) = Some(format!("the device is lost: {reason:?} {message}"));
        });
        Playground {
            gpu: Gpu::from_device(shared.device.clone(), shared.queue.clone()),
            device: shared.device.clone(),
            queue: shared.queue.clone(),
            picture: Picture::new(shared),
            points: task.points.draw(task.count, task.noise, 0),
            task,
            pace: Pace::default(),
            stage: Stage::Empty,
            playing: false,
            curve: Vec::new(),
            changes: Vec::new(),
            problem: None,
            device_problem,
            places: BTreeMap::new(),
        }
    }

    /// Lets a frame pass: takes what has come back, and lays out the panel.
    pub fn show(&mut self, ui: &mut Ui) {
        self.advance();
        egui::Panel::left("settings").exact_size(286.0).resizable(false).show(ui, |ui| {
            ui.add_space(8.0);
            self.settings(ui);
        });
        egui::CentralPanel::default().show(ui, |ui| self.results(ui));
        if self.playing || matches!(self.stage, Stage::Building(_)) {
            ui.ctx().request_repaint();
        }
    }

    /// The last loss, the share of right predictions, and the steps so far.
    pub fn summary(&self) -> Option<(f64, f64, u64)> {
        let Stage::Training(training) = &self.stage else { return None };
        let training = lock(training);
        let scores = training.scores.as_ref()?;
        Some((scores.loss, scores.accuracy()?, training.steps()))
    }

    /// What went wrong, if something did.
    pub fn problem(&self) -> Option<String> {
        self.problem.clone().or_else(|| lock(&self.device_problem).clone())
    }

    fn advance(&mut self) {
        if let Stage::Building(building) = &mut self.stage {
            // A guest on the host's device waits for nobody: the host polls the device, and looks
            // whether the future is ready.
            if let Err(error) = self.device.poll(wgpu::PollType::Poll) {
                self.problem = Some(error.to_string());
            }
            match building.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => {}
                Poll::Ready(Ok(training)) => {
                    self.stage = Stage::Training(Arc::new(Mutex::new(training)));
                }
                Poll::Ready(Err(error)) => self.stop(error.to_string()),
            }
        }
        if let Stage::Training(training) = &self.stage {
            let mut training = lock(training);
            if let Some(error) = training.problem.take() {
                drop(training);
                self.stop(error.to_string());
            } else if let Some(scores) = training.take_scores() {
                self.curve.push([training.steps() as f64, scores.loss]);
            }
        }
    }

    fn stop(&mut self, problem: String) {
        self.problem = Some(problem);
        self.playing = false;
        self.stage = Stage::Empty;
    }

    fn reset(&mut self) {
        self.stage = Stage::Empty;
        self.curve.clear();
        self.changes.clear();
        self.problem = None;
        self.picture.clear(&self.device, &self.queue);
    }

    fn build(&mut self) {
        self.reset();
        let (gpu, task) = (self.gpu.clone(), self.task.clone());
        let (points, picture) = (self.points.clone(), self.picture.clone());
        let (device, queue) = (self.device.clone(), self.queue.clone());
        self.stage = Stage::Building(Box::pin(async move {
            Training::build(&gpu, &device, &queue, &task, &points, picture).await
        }));
    }

    fn settings(&mut self, ui: &mut Ui) {
        ui.heading("minibatch playground");
        ui.label(RichText::new(&self.gpu.info().name).small().weak());
        let before = self.task.clone();

        section(ui, "Data");
        ui.horizontal(|ui| {
            for points in PointSet::ALL {
                ui.selectable_value(&mut self.task.points, points, points.name());
            }
        });
        ui.add(egui::Slider::new(&mut self.task.count, 64..=2048).logarithmic(true).text("points"));
        ui.add(egui::Slider::new(&mut self.task.noise, 0.0..=0.3).text("noise"));

        section(ui, "Network");
        ui.horizontal_wrapped(|ui| {
            ui.label("2");
            for units in &mut self.task.layers {
                ui.label("–");
                ui.add(egui::DragValue::new(units).range(0..=512).speed(0.2));
            }
            ui.label("– 1");
            if ui.small_button("+").on_hover_text("one more hidden layer").clicked() {
                self.task.layers.push(16);
            }
            let remove = egui::Button::new("−").small();
            if ui.add_enabled(!self.task.layers.is_empty(), remove).clicked() {
                self.task.layers.pop();
            }
        });
        let named = |task: &Task| ACTIVATIONS.iter().find(|(_, it)| *it == task.activation);
        egui::ComboBox::from_label("activation")
            .selected_text(named(&self.task).map_or("", |(name, _)| name))
            .show_ui(ui, |ui| {
                for (name, activation) in ACTIVATIONS {
                    ui.selectable_value(&mut self.task.activation, activation, name);
                }
            });

        section(ui, "Training");
        ui.label("batch size");
        let batch_size = self.pace.batch_size;
        ui.horizontal_wrapped(|ui| {
            for size in BATCH_SIZES {
                let label = ui.selectable_value(&mut self.pace.batch_size, size, size.to_string());
                self.places.insert(format!("batch size {size}"), label.rect);
            }
        });
        let rate = egui::Slider::new(&mut self.pace.learning_rate, 0.0001..=0.3);
        ui.add(
            rate.logarithmic(true).custom_formatter(|rate, _| format!("{rate:.4}")).text("rate"),
        );
        let budget = egui::Slider::new(&mut self.pace.budget, 0.5..=32.0).logarithmic(true);
        ui.add(budget.suffix(" ms").text("a frame"))
            .on_hover_text("the time on the GPU that the steps of one frame may take");

        ui.add_space(10.0);
        ui.horizontal(|ui| {
            let text = if self.playing { "Pause" } else { "Train" };
            let train = egui::Button::new(RichText::new(text).strong().color(Color32::WHITE)).fill(
                if self.playing { Color32::from_gray(70) } else { Color32::from_rgb(38, 110, 70) },
            );
            let train = ui.add_sized([150.0, 30.0], train);
            self.places.insert("train".into(), train.rect);
            if train.clicked() {
                self.playing = !self.playing;
            }
            if ui.add_sized([90.0, 30.0], egui::Button::new("Reset")).clicked() {
                self.playing = false;
                self.reset();
            }
        });

        if self.task != before {
            self.points = self.task.points.draw(self.task.count, self.task.noise, 0);
            self.reset();
        }
        if let (Some([step, _]), true) = (self.curve.last(), batch_size != self.pace.batch_size) {
            self.changes.push((*step, self.pace.batch_size));
        }
        if self.playing && matches!(self.stage, Stage::Empty) {
            self.build();
        }
        if matches!(self.stage, Stage::Building(_)) {
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label("compiling the kernels");
            });
        }
        if let Some(problem) = self.problem() {
            ui.add_space(10.0);
            egui::Frame::group(ui.style()).stroke(Stroke::new(1.0, PROBLEM)).show(ui, |ui| {
                ui.colored_label(PROBLEM, problem);
            });
        }
    }

    fn results(&mut self, ui: &mut Ui) {
        ui.add_space(8.0);
        let height = ui.available_height();
        let side = (height - 8.0).min(ui.available_width() * 0.66);
        ui.horizontal_top(|ui| {
            self.square(ui, side);
            ui.add_space(10.0);
            ui.vertical(|ui| {
                self.figures(ui);
                ui.add_space(12.0);
                ui.label(RichText::new("Loss").strong());
                self.loss(ui, side - (ui.cursor().top() - ui.max_rect().top()));
            });
        });
    }

    /// The points over what the network says of each place.
    fn square(&mut self, ui: &mut Ui, side: f32) {
        let (place, _) = ui.allocate_exact_size(egui::Vec2::splat(side), Sense::hover());
        let painter = ui.painter_at(place);
        if let Stage::Training(training) = &self.stage {
            let pace = self.playing.then_some(self.pace);
            let frame = TrainingFrame { training: Arc::clone(training), pace };
            painter.add(egui_wgpu::Callback::new_paint_callback(place, frame));
        }
        let whole = Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
        painter.image(self.picture.id(), place, whole, Color32::WHITE);
        if let Stage::Training(training) = &self.stage
            && let Some(reason) = lock(training).not_drawn()
        {
            let text = format!("trained, not drawn: {reason}");
            let (corner, font) =
                (place.min + egui::Vec2::splat(8.0), egui::FontId::proportional(13.0));
            let galley = painter.layout(text, font, PROBLEM, side - 16.0);
            painter.galley(corner, galley, PROBLEM);
        }
        let radius = (side / 150.0).clamp(1.5, 4.0);
        for &[x, y, class] in &self.points {
            let across = egui::vec2(0.5 + 0.5 * x, 0.5 - 0.5 * y);
            let color = CLASSES[usize::from(class > 0.5)];
            let outline = Stroke::new(1.0, Color32::from_black_alpha(190));
            painter.circle(place.min + across * side, radius, color, outline);
        }
        painter.rect_stroke(
            place,
            0.0,
            Stroke::new(1.0, Color32::from_gray(80)),
            egui::StrokeKind::Inside,
        );
    }

    fn figures(&self, ui: &mut Ui) {
        let names =
            ["loss", "accuracy", "steps", "epochs", "a step takes", "steps a frame", "parameters"];
        let mut values: [String; 7] = std::array::from_fn(|_| "–".to_owned());
        if let Stage::Training(training) = &self.stage {
            let mut training = lock(training);
            let time =
                training.step_time().map(|time| format!("{:.0} µs", 1e6 * time.as_secs_f64()));
            let scores = training.scores.as_ref();
            let accuracy = scores.and_then(minibatch::Scores::accuracy);
            let shown = |value: Option<String>| value.unwrap_or_else(|| "–".into());
            values = [
                shown(scores.map(|scores| format!("{:.4}", scores.loss))),
                shown(accuracy.map(|share| format!("{:.1}%", 100.0 * share))),
                training.steps().to_string(),
                format!("{:.1}", training.epochs()),
                shown(time),
                training.recorded.to_string(),
                training.parameters().to_string(),
            ];
        }
        egui::Grid::new("figures").num_columns(2).spacing([16.0, 5.0]).show(ui, |ui| {
            for (name, value) in names.into_iter().zip(values) {
                ui.label(RichText::new(name).weak());
                ui.label(RichText::new(value).monospace());
                ui.end_row();
            }
        });
    }

    /// The loss over the steps, on a logarithmic scale, and where the batch size changed.
    fn loss(&self, ui: &mut Ui, height: f32) {
        let points: Vec<[f64; 2]> =
            self.curve.iter().map(|&[step, loss]| [step, loss.max(1e-9).log10()]).collect();
        let text = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
            let loss = 10_f64.powf(mark.value);
            if mark.step_size < DECADE { String::new() } else { format!("{loss}") }
        };
        let highest = points.iter().map(|&[_, loss]| loss).fold(0.0, f64::max);
        Plot::new("loss")
            .height(height.max(80.0))
            .include_x(0.0)
            .include_y(0.0)
            .include_y(-1.0)
            .y_grid_spacer(decades)
            .y_axis_formatter(text)
            .y_axis_min_width(44.0)
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .show(ui, |plot| {
                for (step, batch_size) in &self.changes {
                    let name = format!("batch size {batch_size}");
                    let line = VLine::new(name.clone(), *step).color(Color32::from_gray(150));
                    plot.vline(line.style(LineStyle::dashed_dense()));
                    let label =
                        Text::new(name, PlotPoint::new(*step, highest), format!(" {batch_size}"));
                    plot.text(label.anchor(egui::Align2::LEFT_TOP).color(Color32::from_gray(190)));
                }
                plot.line(Line::new("loss", points).color(CURVE).width(1.5));
            });
    }
}

/// The size of the grid's steps from one power of ten to the next.
const DECADE: f64 = 1.0;

/// Grid lines of a logarithmic axis: at the powers of ten, and fainter at twice and five times these.
fn decades(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let first = low.clamp(-12.0, 12.0).floor() as i32;
    let last = high.clamp(-12.0, 12.0).ceil() as i32;
    let mark = |decade: i32, times: f64, step_size| GridMark {
        value: f64::from(decade) + times.log10(),
        step_size,
    };
    (first..=last)
        .flat_map(|decade| {
            [mark(decade, 1.0, DECADE), mark(decade, 2.0, 0.3), mark(decade, 5.0, 0.3)]
        })
        .filter(|mark| (low..=high).contains(&mark.value))
        .collect()
}

/// Records the steps of a frame, and the picture after them, into egui's own encoder.
struct TrainingFrame {
    training: Arc<Mutex<Training>>,
    /// `None` while paused: then only the picture is drawn.
    pace: Option<Pace>,
}

impl CallbackTrait for TrainingFrame {
    fn prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        _resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        lock(&self.training).record(encoder, self.pace);
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        _pass: &mut wgpu::RenderPass<'static>,
        _resources: &CallbackResources,
    ) {
        // The picture is a texture that egui draws.
    }
}

fn section(ui: &mut Ui, title: &str) {
    ui.add_space(10.0);
    ui.separator();
    ui.label(RichText::new(title).strong());
}

/// The value, also if a thread that held it has panicked.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
