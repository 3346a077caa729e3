namespace Natalia.Backup.HyperVSimulator;

/// <summary>One file of a disk: all of it, or what was written since a checkpoint.</summary>
internal sealed class SimLayer(string path, byte[] data, bool isBase)
{
    internal string Path { get; set; } = path;

    internal byte[] Data { get; } = data;

    /// <summary>Which sectors are in this file.</summary>
    internal bool[] Present { get; } = [.. Enumerable.Repeat(isBase, data.Length / SimDisk.Sector)];

    internal Guid State { get; set; } = Guid.NewGuid();
}

/// <summary>
/// A disk of a VM: its files, the newest last, and which write was the last one of each unit, which is how the host
/// tracks changes.
/// </summary>
internal sealed class SimDisk
{
    internal const int Sector = 512, Unit = 4096;

    internal SimDisk(string path, byte[] bytes)
    {
        Layers.Add(new SimLayer(path, (byte[])bytes.Clone(), isBase: true));
        WrittenAt = new long[(bytes.Length + Unit - 1) / Unit];
    }

    internal Guid VirtualDiskId { get; init; } = Guid.NewGuid();

    internal List<SimLayer> Layers { get; } = [];

    internal SimLayer Top => Layers[^1];

    internal long[] WrittenAt { get; }

    internal int Size => Top.Data.Length;

    /// <summary>Whether its guest's writes are not seen by the host's tracking any more.</summary>
    internal bool IsTrackingBlind { get; set; }

    internal byte[] Content() => Content(Layers.Count - 1);

    internal byte[] Content(int upTo)
    {
        byte[] all = (byte[])Layers[0].Data.Clone();
        for (int i = 1; i <= upTo; i++)
        {
            for (int s = 0; s < Layers[i].Present.Length; s++)
            {
                if (Layers[i].Present[s])
                    Layers[i].Data.AsSpan(s * Sector, Sector).CopyTo(all.AsSpan(s * Sector));
            }
        }
        return all;
    }

    internal void Write(long offset, byte[] bytes, long number)
    {
        int first = (int)(offset / Sector), last = (int)((offset + bytes.Length - 1) / Sector);
        byte[] now = Content();
        bytes.CopyTo(now, offset);
        for (int s = first; s <= last; s++)
        {
            now.AsSpan(s * Sector, Sector).CopyTo(Top.Data.AsSpan(s * Sector));
            Top.Present[s] = true;
        }
        if (IsTrackingBlind) return;
        for (long unit = offset / Unit; unit * Unit < offset + bytes.Length; unit++) WrittenAt[unit] = number;
    }

    /// <summary>Writes a layer's file as the host has it.</summary>
    internal void Store(SimLayer layer, Func<string, string> toLocal)
    {
        int at = Layers.IndexOf(layer);
        string local = toLocal(layer.Path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(local)!);
        SimLayer? parent = at > 0 ? Layers[at - 1] : null;
        SimVhdx.Write(local, layer.Data, parent is null ? null : layer.Present, VirtualDiskId, layer.State,
            parent is null ? null : (parent.State, parent.Path, parent.Path.Split('\\')[^1]));
    }
}
