using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>Writes a disk of a VM that is being built: a raw image, sparse.</summary>
internal sealed class MachineDiskTarget(MachineDisk disk, long sizeBytes, string folder, HostCalls calls) : IDiskTarget
{
    private readonly RawDiskTarget _image = new(Path.Combine(folder, disk.Path));

    internal MachineDisk Disk => disk;

    internal long SizeBytes => sizeBytes;

    internal bool IsCompleted { get; private set; }

    public bool AcceptsAnyOrder => _image.AcceptsAnyOrder;

    public Task BeginAsync(long size, CancellationToken cancellationToken)
    {
        if (size != sizeBytes) throw new ArgumentException("The disk has another size.", nameof(size));
        return calls.MakeAsync("begin disk", () => _image.BeginAsync(size, cancellationToken));
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _image.WriteAsync(offset, bytes, cancellationToken);

    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await calls.MakeAsync("complete disk", () => _image.CompleteAsync(cancellationToken)).ConfigureAwait(false);
        IsCompleted = true;
    }

    public void Dispose() => _image.Dispose();
}
