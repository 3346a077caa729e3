using System.Text;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Writes a disk to a flat VMDK image, as it lies on a datastore: <c>name-flat.vmdk</c> with the bytes, and
/// <c>name.vmdk</c>, a text that describes it. The text comes last, so an image that has one is whole. Any number of
/// threads may write at once.
/// </summary>
public sealed class VmdkFlatTarget : IDiskTarget
{
    private readonly RawDiskTarget _flat;
    private readonly ImageFileWriter _text;
    private readonly bool _overwrite;
    private long _size;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The text to make; the other file lies beside it.</param>
    /// <param name="overwrite">Replace files of these names.</param>
    public VmdkFlatTarget(string path, bool overwrite = false)
    {
        _text = new ImageFileWriter(path, overwrite);
        FlatPath = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(_text.Path) ?? "",
            System.IO.Path.GetFileNameWithoutExtension(_text.Path) + "-flat.vmdk");
        _flat = new RawDiskTarget(FlatPath, overwrite);
        _overwrite = overwrite;
    }

    /// <summary>The full path of the text.</summary>
    public string Path => _text.Path;

    /// <summary>The full path of the file with the bytes.</summary>
    public string FlatPath { get; }

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        _size = VmdkSizes.Check(sizeBytes, Path, VmdkFormat.MostBytes);
        _text.Begin(0);
        return _flat.BeginAsync(_size, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _flat.WriteAsync(offset, bytes, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        string text = VmdkDescriptor.Make("monolithicFlat", _size, "FLAT", System.IO.Path.GetFileName(FlatPath),
            isEmbeddedInFlat: true);
        _text.Write(0, Encoding.UTF8.GetBytes(text));
        await _flat.CompleteAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _text.Complete(CancellationToken.None);
        }
        catch
        {
            // With an older text it may be an image; alone it is none.
            if (!_overwrite) System.IO.File.Delete(FlatPath);
            throw;
        }
    }

    /// <summary>Closes both files, and deletes what was not completed.</summary>
    public void Dispose()
    {
        _flat.Dispose();
        _text.Dispose();
    }

    /// <summary>The path of the text.</summary>
    public override string ToString() => Path;
}
