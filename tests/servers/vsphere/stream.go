package main

import (
	"bytes"
	"compress/zlib"
	bin "encoding/binary"
	"fmt"
	"io"
)

// Stream-optimised VMDK, after VMware's "Virtual Disk Format 5.0": a header, compressed grains behind markers, their
// tables, the directory, a footer, the end.

const (
	sector          = 512
	grainSectors    = 128
	grain           = grainSectors * sector
	entriesPerTable = 512
	overhead        = 128

	markerEnd, markerTable, markerDirectory, markerFooter = 0, 1, 2, 3
)

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func writeStream(w io.Writer, d *disk, writes int, each func() error) error {
	out := &counter{w: w}
	first := make([]byte, overhead*sector)
	copy(first, sparseHeader(d.capacity, ^uint64(0)))
	copy(first[sector:], fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"+
		"createType=\"streamOptimized\"\n\n# Extent description\nRW %d SPARSE \"disk.vmdk\"\n\n# The Disk Data Base\n"+
		"#DDB\n\nddb.adapterType = \"lsilogic\"\n", d.capacity/sector))
	if _, err := out.Write(first); err != nil {
		return err
	}
	tables := (d.capacity + grain*entriesPerTable - 1) / (grain * entriesPerTable)
	directory := make([]uint32, tables)
	var table []uint32
	current := int64(-1)
	flush := func() error {
		if current < 0 {
			return nil
		}
		if err := marker(out, entriesPerTable*4/sector, markerTable); err != nil {
			return err
		}
		directory[current] = uint32(out.n / sector)
		current = -1
		return bin.Write(out, bin.LittleEndian, table)
	}
	buffer := make([]byte, grain)
	for _, a := range inBlocks(d.allocated(writes), d.capacity) {
		for at := a.start; at < a.end; at += grain {
			if err := each(); err != nil {
				return err
			}
			part := buffer[:min(grain, d.capacity-at)]
			if err := d.read(part, at, writes); err != nil {
				return err
			}
			if len(bytes.Trim(part, "\x00")) == 0 {
				continue
			}
			number := at / grain
			if number/entriesPerTable != current {
				if err := flush(); err != nil {
					return err
				}
				current = number / entriesPerTable
				table = make([]uint32, entriesPerTable)
			}
			table[number%entriesPerTable] = uint32(out.n / sector)
			var packed bytes.Buffer
			packed.Write(make([]byte, 12))
			z, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
			_, _ = z.Write(part)
			_ = z.Close()
			bin.LittleEndian.PutUint64(packed.Bytes(), uint64(at/sector))
			bin.LittleEndian.PutUint32(packed.Bytes()[8:], uint32(packed.Len()-12))
			if over := packed.Len() % sector; over > 0 {
				packed.Write(make([]byte, sector-over))
			}
			if _, err := out.Write(packed.Bytes()); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	size := (tables*4 + sector - 1) / sector * sector
	if err := marker(out, size/sector, markerDirectory); err != nil {
		return err
	}
	at := uint64(out.n / sector)
	entries := make([]uint32, size/4)
	copy(entries, directory)
	if err := bin.Write(out, bin.LittleEndian, entries); err != nil {
		return err
	}
	if err := marker(out, 1, markerFooter); err != nil {
		return err
	}
	if _, err := out.Write(sparseHeader(d.capacity, at)); err != nil {
		return err
	}
	return marker(out, 0, markerEnd)
}

func marker(w io.Writer, sectors int64, kind uint32) error {
	m := make([]byte, sector)
	bin.LittleEndian.PutUint64(m, uint64(sectors))
	bin.LittleEndian.PutUint32(m[12:], kind)
	_, err := w.Write(m)
	return err
}

func sparseHeader(capacity int64, directory uint64) []byte {
	h := make([]byte, sector)
	copy(h, "KDMV")
	le := bin.LittleEndian
	le.PutUint32(h[4:], 3)
	le.PutUint32(h[8:], 1|1<<16|1<<17)
	le.PutUint64(h[12:], uint64(capacity/sector))
	le.PutUint64(h[20:], grainSectors)
	le.PutUint64(h[28:], 1)
	le.PutUint64(h[36:], 1)
	le.PutUint32(h[44:], entriesPerTable)
	le.PutUint64(h[56:], directory)
	le.PutUint64(h[64:], overhead)
	copy(h[73:], "\n \r\n")
	le.PutUint16(h[77:], 1)
	return h
}
