using System.Text;
using Natalia.Backup.Engine.Files;

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

    /// <summary>Where the text that is replaced lies while the file with the bytes is; null before and without
    /// one.</summary>
    private string? _aside;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The text to make; the other file lies beside it.</param>
    /// <param name="overwrite">Replace files of these names.</param>
    public VmdkFlatTarget(string path, bool overwrite = false)
    {
        _text = new ImageFileWriter(path, overwrite);
        FlatPath = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(_text.Path) ?? "",
            System.IO.Path.GetFileNameWithoutExtension(_text.Path) + "-flat.vmdk");
        _flat = new RawDiskTarget(FlatPath, overwrite) { BeforeNaming = PutTextAside };
        _overwrite = overwrite;
    }

    /// <summary>The full path of the text.</summary>
    public string Path => _text.Path;

    /// <summary>The full path of the file with the bytes.</summary>
    public string FlatPath { get; }

    /// <inheritdoc cref="ImageFileWriter.FlushFile"/>
    internal Action<PositionalFile> FlushFile { init => _flat.FlushFile = value; }

    /// <summary>Flushes the folder after each of the two files got its name: the system, but for tests that let it
    /// fail.</summary>
    internal (Action<string> OfFlat, Action<string> OfText) FlushFolder
    {
        init => (_flat.FlushFolder, _text.FlushFolder) = value;
    }

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        long size = VmdkSizes.Check(sizeBytes, Path, VmdkFormat.MostBytes);
        byte[] text = Encoding.UTF8.GetBytes(VmdkDescriptor.Make("monolithicFlat", size, "FLAT",
            System.IO.Path.GetFileName(FlatPath), isEmbeddedInFlat: true));
        // At once: an empty file that a killed export left is not known for one.
        _text.Begin(text.Length);
        _text.Write(0, text);
        return _flat.BeginAsync(size, cancellationToken);
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
        try
        {
            await _flat.CompleteAsync(cancellationToken).ConfigureAwait(false);
            _text.Complete(CancellationToken.None);
        }
        catch (NataliaException e) when (_flat.HasItsName && !_text.HasItsName)
        {
            // Alone it is no image, and an older text would tell of other bytes.
            System.IO.File.Delete(FlatPath);
            throw new NataliaException(e.ErrorId, e.Kind,
                $"The image '{Path}' could not be finished, and its file '{FlatPath}' was removed: "
                + ((e.InnerException as FolderNotFlushedException)?.Message ?? e.Message), Path, e.RecommendedAction,
                e);
        }
        finally
        {
            if (_aside is string older) Forget(older);
        }
    }

    /// <summary>An older text belongs to the older bytes, where these are still there, and else to nothing.</summary>
    private void Forget(string older)
    {
        try
        {
            if (_flat.HasItsName) System.IO.File.Delete(older);
            else FileMove.Replace(older, Path);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // It stays as a partial file, which the next export removes.
        }
    }

    /// <summary>
    /// An older text never tells of newer bytes, wherever a kill comes. What one leaves of it is a partial file, as the
    /// new text is.
    /// </summary>
    private void PutTextAside()
    {
        if (!_overwrite || !System.IO.File.Exists(Path)) return;
        string aside = PartialFiles.NewPath(Path);
        FileMove.Replace(Path, aside);
        _aside = aside;
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
