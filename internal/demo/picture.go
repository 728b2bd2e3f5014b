package demo

import (
	"bytes"
	"embed"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"time"
)

// The live picture shows northern lights over a lake. Each frame is drawn anew.
const (
	width, height = 800, 450
	shore         = height * 74 / 100 // the row where the lake begins
	reach         = 210               // how many rows a curtain of light is high
	foot          = 16                // how many rows it fades below its edge
	quality       = 82
)

//go:embed assets/glyphs18.png assets/glyphs40.png
var sheets embed.FS

// painter draws frames. It holds what is the same in all frames, and is safe for
// concurrent use once it is made.
type painter struct {
	small, large glyphs
	stars        []star
	ridges       [2][width]int  // the top row of each range of hills, the distant one first
	light        [3][]rgb       // of each curtain, by distance from its lower edge
	sky          [shore]rgb     // by row
	seed         [width]float64 // roughness of the curtains, which makes every ray different
}

type rgb struct{ r, g, b int32 }

type star struct {
	x, y         int
	bright, beat float64
}

func newPainter() (*painter, error) {
	p := &painter{}
	for name, to := range map[string]*glyphs{"assets/glyphs18.png": &p.small, "assets/glyphs40.png": &p.large} {
		var err error
		if *to, err = readGlyphs(name); err != nil {
			return nil, fmt.Errorf("demo: %s: %w", name, err)
		}
	}
	rnd := rand.New(rand.NewPCG(78, 22))
	for range 170 {
		y := int(float64(shore) * rnd.Float64() * rnd.Float64())
		p.stars = append(p.stars, star{rnd.IntN(width), y, 40 + 190*math.Pow(rnd.Float64(), 3), 1 + 3*rnd.Float64()})
	}
	for y := range p.sky {
		f := float64(y) / shore
		p.sky[y] = rgb{int32(7 + 9*f), int32(11 + 30*f*f), int32(30 + 36*f)}
	}
	for x := range width {
		u := float64(x) / width
		p.ridges[0][x] = shore - int(26+22*math.Sin(5.1*u+0.6)+13*math.Sin(13*u+2)+5*math.Sin(37*u)+2.5*math.Sin(91*u+1))
		p.ridges[1][x] = shore - int(13+11*math.Sin(4.4*u+3.9)+6*math.Sin(9*u+5)+2*math.Sin(53*u)+1.2*math.Sin(140*u))
		p.seed[x] = rnd.Float64()
	}
	for x := 1; x < width; x++ {
		p.seed[x] = 0.72*p.seed[x-1] + 0.28*p.seed[x]
	}
	tints := [3][2]rgb{ // at the edge, and high up
		{{60, 240, 150}, {150, 70, 235}},
		{{70, 215, 190}, {60, 90, 210}},
		{{130, 245, 130}, {190, 70, 170}},
	}
	for k := range p.light {
		p.light[k] = make([]rgb, foot+reach)
		for i := range p.light[k] {
			d := float64(i - foot)
			var glow, high float64
			if d < 0 {
				glow = math.Exp(-d * d / 40)
			} else {
				high = d / reach
				glow = math.Exp(-2.7*high) * (1 - high)
			}
			mix := func(a, b int32) int32 {
				return int32(256 * glow * (float64(a) + (float64(b)-float64(a))*math.Sqrt(high)))
			}
			lo, hi := tints[k][0], tints[k][1]
			p.light[k][i] = rgb{mix(lo.r, hi.r), mix(lo.g, hi.g), mix(lo.b, hi.b)}
		}
	}
	return p, nil
}

// frame draws the picture of one moment. With an account, its name and the time
// are written into it.
func (p *painter) frame(at time.Time, account string) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	t := math.Mod(float64(at.UnixMilli())/1000, 86400)
	p.drawSky(img, t)
	p.drawHills(img)
	p.drawLake(img, t)
	if account != "" {
		p.drawWords(img, at, account)
	}
	return img
}

func (p *painter) drawSky(img *image.RGBA, t float64) {
	var edge [3][width]int
	var ray [3][width]int32
	for k := range edge {
		kf := float64(k)
		drift := t * (0.055 + 0.02*kf)
		for x := range width {
			u := float64(x) / width
			bend := 34*math.Sin(3.1*u+drift*2+kf*2.1) + 17*math.Sin(7.3*u-drift*3+kf) + 6*math.Sin(19*u+drift*7)
			edge[k][x] = int(float64(shore)*(0.63-0.15*kf) + bend)
			fold := 0.5 + 0.5*math.Sin(4.7*u-drift*2.4+kf*1.7)
			fine := 0.5 + 0.5*math.Sin(61*u+drift*13+9*p.seed[(x+int(t*6)*(k+1))%width])
			veil := math.Min(1, 5*u) * math.Min(1, 5*(1-u))
			ray[k][x] = int32(256 * (1.05 - 0.2*kf) * (0.26 + 0.74*fold*fold) * (0.55 + 0.45*fine) * (0.35 + 0.65*veil))
		}
	}
	for y := range shore {
		row := img.Pix[y*img.Stride : y*img.Stride+4*width]
		base := p.sky[y]
		for x := range width {
			c := base
			for k := range edge {
				if i := edge[k][x] - y + foot; i >= 0 && i < foot+reach {
					l, f := p.light[k][i], ray[k][x]
					c.r += l.r * f >> 16
					c.g += l.g * f >> 16
					c.b += l.b * f >> 16
				}
			}
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = byte(min(c.r, 255)), byte(min(c.g, 255)), byte(min(c.b, 255)), 255
		}
	}
	for _, s := range p.stars {
		shine := int(s.bright * (0.75 + 0.25*math.Sin(t*s.beat+s.bright)))
		px := img.Pix[img.PixOffset(s.x, s.y):]
		for i := range 3 {
			px[i] = byte(min(int(px[i])+shine, 255))
		}
	}
}

func (p *painter) drawHills(img *image.RGBA) {
	shades := [2]color.RGBA{{10, 22, 38, 255}, {5, 11, 20, 255}}
	for i, ridge := range p.ridges {
		for x, top := range ridge {
			for y := max(top, 0); y < shore; y++ {
				img.SetRGBA(x, y, shades[i])
			}
		}
	}
}

// drawLake mirrors the sky, darker and with ripples, which grow towards the viewer.
func (p *painter) drawLake(img *image.RGBA, t float64) {
	for y := shore; y < height; y++ {
		depth := y - shore
		f := float64(depth) / (height - shore)
		from := img.Pix[max(shore-1-depth*5/2, 0)*img.Stride:]
		to := img.Pix[y*img.Stride:]
		dim := int(165 - 70*f)
		wave := 26*math.Log1p(float64(depth)/5) - t*2.2
		for x := range width {
			shift := int((1 + 6*f) * math.Sin(wave+float64(x)*0.02))
			src, dst := from[4*min(max(x+shift, 0), width-1):], to[4*x:]
			dst[0] = byte(int(src[0])*dim>>8 + 3)
			dst[1] = byte(int(src[1])*dim>>8 + 7)
			dst[2] = byte(int(src[2])*dim>>8 + 15)
			dst[3] = 255
		}
	}
}

func (p *painter) drawWords(img *image.RGBA, at time.Time, account string) {
	const margin = 24
	white, faint := color.RGBA{255, 255, 255, 255}, color.RGBA{205, 220, 235, 255}
	// The dot beats once a second. It shows at a glance that the picture is live.
	beat := uint8(150 + 100*math.Cos(2*math.Pi*float64(at.Nanosecond())/1e9))
	drawDot(img, image.Pt(margin+7, margin+10), 7, color.RGBA{beat, beat / 4, beat / 4, 255})
	p.small.write(img, image.Pt(margin+24, margin), "LIVE", white)

	foot := height - margin - p.large.cell.Y
	p.small.write(img, image.Pt(margin, foot-p.small.cell.Y+2), "for", faint)
	p.large.write(img, image.Pt(margin, foot), account, white)
	day, clock := at.Format("Mon 2 Jan"), at.Format("15:04:05.0")
	p.small.write(img, image.Pt(width-margin-p.small.cell.X*len(day), foot-p.small.cell.Y+2), day, faint)
	p.large.write(img, image.Pt(width-margin-p.large.cell.X*len(clock), foot), clock, white)
}

func drawDot(img *image.RGBA, centre image.Point, radius float64, c color.RGBA) {
	r := int(radius) + 1
	mask := image.NewAlpha(image.Rect(-r, -r, r+1, r+1))
	for y := -r; y <= r; y++ {
		for x := -r; x <= r; x++ {
			ink := min(max(radius+0.5-math.Hypot(float64(x), float64(y)), 0), 1)
			mask.SetAlpha(x, y, color.Alpha{uint8(255 * ink)})
		}
	}
	draw.DrawMask(img, mask.Rect.Add(centre), image.NewUniform(c), image.Point{}, mask, mask.Rect.Min, draw.Over)
}

// encode makes a JPEG of a frame.
func encode(img *image.RGBA) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// glyphs is a sheet of the printable ASCII characters, each in a cell of one row.
// tools/glyphs makes it.
type glyphs struct {
	ink  *image.Alpha
	cell image.Point
}

const firstGlyph, lastGlyph = ' ', '~'

func readGlyphs(name string) (glyphs, error) {
	f, err := sheets.Open(name)
	if err != nil {
		return glyphs{}, err
	}
	img, err := png.Decode(f)
	if err != nil {
		return glyphs{}, err
	}
	grey, ok := img.(*image.Gray)
	if !ok {
		return glyphs{}, fmt.Errorf("not a grey picture")
	}
	return glyphs{
		ink:  &image.Alpha{Pix: grey.Pix, Stride: grey.Stride, Rect: grey.Rect},
		cell: image.Pt(grey.Rect.Dx()/(lastGlyph-firstGlyph+1), grey.Rect.Dy()),
	}, nil
}

// write writes text on img with a shadow; at is the top left corner. A character that
// is not printable ASCII becomes a question mark.
func (g glyphs) write(img *image.RGBA, at image.Point, text string, c color.RGBA) {
	for _, r := range text {
		if r < firstGlyph || r > lastGlyph {
			r = '?'
		}
		from := image.Pt(int(r-firstGlyph)*g.cell.X, 0)
		to := image.Rectangle{at, at.Add(g.cell)}
		draw.DrawMask(img, to.Add(image.Pt(1, 2)), image.NewUniform(color.RGBA{0, 6, 14, 170}), image.Point{}, g.ink, from, draw.Over)
		draw.DrawMask(img, to, image.NewUniform(c), image.Point{}, g.ink, from, draw.Over)
		at.X += g.cell.X
	}
}
