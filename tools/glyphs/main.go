// Command glyphs draws the letters that the demo's live picture is lettered
// with: the printable ASCII characters of Go Mono Bold, one row, one cell each,
// white on nothing. So the program itself needs no font library.
//
// Run it with "make glyphs" after a change here.
package main

import (
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

const first, last = ' ', '~'

func main() {
	size := flag.Float64("size", 20, "letter size in pixels")
	out := flag.String("o", "", "PNG file to write")
	flag.Parse()
	if err := write(*out, *size); err != nil {
		fmt.Fprintln(os.Stderr, "glyphs:", err)
		os.Exit(1)
	}
}

func write(path string, size float64) error {
	f, err := opentype.Parse(gomonobold.TTF)
	if err != nil {
		return err
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return err
	}
	m := face.Metrics()
	advance, _ := face.GlyphAdvance('0')
	cell := image.Pt(advance.Round(), (m.Ascent + m.Descent).Ceil())

	// Grey, because the encoder knows no picture of transparency alone: a grey
	// value is how much ink a pixel gets.
	img := image.NewGray(image.Rect(0, 0, cell.X*(last-first+1), cell.Y))
	ink := image.NewAlpha(img.Rect)
	d := font.Drawer{Dst: ink, Src: image.Opaque, Face: face}
	for r := first; r <= last; r++ {
		d.Dot = fixed.P(cell.X*int(r-first), m.Ascent.Ceil())
		d.DrawString(string(r))
	}
	draw.DrawMask(img, img.Rect, image.White, image.Point{}, ink, image.Point{}, draw.Src)

	w, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(w, img); err != nil {
		return err
	}
	return w.Close()
}
