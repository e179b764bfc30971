package cli

import (
	"fmt"
	"io/fs"
	"log/slog"

	"cortexmap/internal/encoder"
)

type exportCmd struct {
	Folder  string `arg:"" name:"run" placeholder:"RUN" help:"A run's folder, or one mapping's folder in it."`
	Model   string `placeholder:"NAME" help:"Of several mappings: the network's."`
	Subject string `placeholder:"NAME" help:"Of several mappings: the subject's."`
	Seed    int    `default:"-1" placeholder:"N" help:"Of several mappings: the seed's."`
	Network string `placeholder:"MODEL.onnx" help:"Where the network is now; default: where it was mapped from."`
	To      string `placeholder:"ENCODER.onnx" help:"The encoder's file; default: MODEL-SUBJECT.onnx here, or in --out."`
}

func (exportCmd) Help() string {
	return "Writes the whole encoder as one .onnx: from a picture, prepared as the card beside it says, to the predicted response of every vertex. " +
		"Only operators of the network's own opset are used. Before anything is written its predictions on test images' tokens are compared with those of the mapping.\n\n" +
		"Examples:\n  cortexmap export runs/demo\n  cortexmap export runs/mine --model clip-b16 --subject subj01 --seed 0 --to clip-subj01.onnx"
}

func (c *exportCmd) Run(e *env) error {
	demo, err := fs.Sub(e.files, demoFolder)
	if err != nil {
		return err
	}
	rt, err := e.start(e.ctx)
	if err != nil {
		return err
	}
	defer rt.Close()
	x, err := encoder.Export(e.ctx, rt, encoder.ExportOptions{Run: c.Folder, Choice: encoder.Choice{Model: c.Model, Subject: c.Subject, Seed: c.Seed},
		Network: c.Network, To: c.To, Folder: e.flags.Out, Demo: demo, Threads: e.flags.Threads, Log: e.log})
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, x)
	}
	fmt.Fprintf(e.stdout, "encoder: %s (%.1f MB, %d responses a picture)\n", x.Encoder, float64(x.Bytes)/1e6, x.Columns)
	fmt.Fprintf(e.stdout, "card:    %s\nunits:   %s\n", x.Card, x.Units)
	fmt.Fprintf(e.stdout, "checked: at most %.1e SD from the mapping's own predictions, on %d test images\n", x.WorstSD, x.Images)
	if x.Simulated {
		fmt.Fprintln(e.stdout, "  the responses that it was fitted to are simulated")
	}
	return nil
}

type predictCmd struct {
	Encoder string   `arg:"" placeholder:"ENCODER.onnx" help:"An encoder that export wrote."`
	Images  []string `arg:"" name:"images" placeholder:"IMAGE" help:"Pictures, or folders of pictures."`
}

func (predictCmd) Help() string {
	return "Writes predictions/responses.npy (float32, a row a picture, a column a unit), images.csv (the rows) and units.csv (the columns); --out names another folder.\n\n" +
		"Examples:\n  cortexmap predict lite0-simulated.onnx photo.jpg\n  cortexmap predict clip-subj01.onnx stimuli/ --out predicted"
}

func (c *predictCmd) Run(e *env) error {
	rt, err := e.start(e.ctx)
	if err != nil {
		return err
	}
	defer rt.Close()
	device, note, err := rt.Device(e.flags.Device)
	if err != nil {
		return err
	}
	if note != "" {
		e.log.Info(note)
	}
	out := e.flags.Out
	if out == "" {
		out = "predictions"
	}
	bar := newProgress(e.stderr, e.flags.Quiet)
	defer bar.close()
	e.log = slog.New(newHandler(bar.beside(), e.flags.Quiet))
	p, err := encoder.Predict(e.ctx, rt, encoder.PredictOptions{Encoder: c.Encoder, Images: c.Images, Out: out, Threads: e.flags.Threads, Device: device, Log: e.log, Progress: bar.update})
	bar.close()
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, p)
	}
	fmt.Fprintf(e.stdout, "responses: %s (%d pictures, %d responses each)\nrows:      %s\n", p.Responses, p.Pictures, p.Columns, p.Images)
	if p.Units != "" {
		fmt.Fprintf(e.stdout, "columns:   %s\n", p.Units)
	}
	if p.Simulated {
		fmt.Fprintln(e.stdout, "  the responses that the encoder was fitted to are simulated")
	}
	return nil
}

type importCmd struct {
	State   string `arg:"" placeholder:"STATE.pth" help:"A published state dict of FactorTopy, as PyTorch wrote it."`
	Like    string `arg:"" placeholder:"RUN" help:"A run, or one mapping's folder, of the same subject: it has the places that the state lacks."`
	Subject string `placeholder:"NAME" help:"Of several mappings: the subject's."`
	Model   string `placeholder:"NAME" help:"Of several mappings: the network's, for the layers' names."`
}

func (importCmd) Help() string {
	return "Reads weights that were published for the paper and puts them beside a run's mappings (mappings/published/…), to be compared with fits of your own. " +
		"Nothing in the file is executed. Scores and shares stay empty: they need responses.\n\n" +
		"Example:\n  cortexmap import downloaded.pth runs/clip --subject subj01"
}

func (c *importCmd) Run(e *env) error {
	rt, err := e.start(e.ctx)
	if err != nil {
		return err
	}
	defer rt.Close()
	out := e.flags.Out
	if out == "" {
		out = c.Like
	}
	dir, err := encoder.Import(e.ctx, rt, encoder.ImportOptions{State: c.State, Like: c.Like, Choice: encoder.Choice{Model: c.Model, Subject: c.Subject, Seed: -1},
		Out: out, Threads: e.flags.Threads, Version: version()})
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, map[string]string{"mapping": dir})
	}
	fmt.Fprintln(e.stdout, "mapping: "+dir)
	return nil
}
