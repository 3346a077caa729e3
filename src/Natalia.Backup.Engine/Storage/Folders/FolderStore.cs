using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>A repository's objects as files below one folder: a local disk, a mounted share, a UNC path.</summary>
/// <remarks>
/// <para><b>Atomic.</b> An object is written to a temporary file in <c>.tmp</c>, flushed, and renamed without
/// overwriting. That is one step for every reader, on NTFS, ext4, XFS, SMB and NFS alike, and decides between two
/// writers of one name. No lock of any kind is used, because shares may not give them.</para>
/// <para><b>Durable.</b> Each file is flushed before its rename, so that a crash of the machine can lose an object but
/// never leaves a torn one under its name; <see cref="FlushAsync"/> then flushes the folders that hold the new names.
/// With packs of tens of megabytes and two writers, the flush of one overlaps the writing of the other. What the system
/// fails to flush is never flushed a second time, which would prove nothing (<see cref="StableFile"/>): a file is
/// thrown away, and a folder makes this store's later flushes fail too, until it is opened anew.</para>
/// <para><b>Only files.</b> A pipe, a socket or a device under an object's name is an object without bytes, and so a
/// damaged one; a folder there is no object; a link is refused.</para>
/// <para><b>Gone is not empty.</b> The folder <c>.tmp</c> is made with the store and never again. When it is missing,
/// the share has gone (an empty mount point remains), and every call says so with <c>StoreUnavailable</c> instead of
/// finding nothing or writing into the mount point.</para>
/// </remarks>
public sealed class FolderStore : IObjectStore, IPlacedStore, INestedStores
{
    // One write call: large enough to cost nothing, small enough that a cancellation is noticed soon. Linux 6 makes the
    // page cache's pages as large as the call, and large ones are dear to find: 512 MiB took 0.7 s of its time in calls
    // of 4 MiB, and 0.2 s in calls of 256 KiB.
    private static readonly int s_writeSize = Platform.IsLinux ? 256 << 10 : 4 << 20;

    /// <summary>From so many bytes on a write is worth a thread of its own.</summary>
    private const int LongWrite = 1 << 20;

    /// <summary>So often an object's folder may go, emptied by others, before putting the object fails.</summary>
    private const int PublishAttempts = 64;

    private readonly FolderLayout _layout;
    private readonly ConcurrentDictionary<string, bool> _unflushedFolders = new(StringComparer.Ordinal);
    private readonly Action<FileStream> _flushFile;
    private readonly Action<string> _flushFolder;
    private readonly SemaphoreSlim _flushing = new(1, 1);
    private volatile bool _hasTemporaryFolder;
    private volatile FolderNotFlushedException? _notFlushed;

    private FolderStore(FolderLayout layout, bool hasTemporaryFolder, Action<FileStream> flushFile,
        Action<string> flushFolder)
    {
        _layout = layout;
        _hasTemporaryFolder = hasTemporaryFolder;
        _flushFile = flushFile;
        _flushFolder = flushFolder;
    }

    /// <summary>Opens a folder as a store. A folder that cannot be written opens for reading.</summary>
    /// <param name="path">The folder's full path; UNC paths and long paths are welcome.</param>
    /// <param name="create">Make the folder when it is not there.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c> when there is no folder and none is to be made,
    /// <c>NotARepository</c> when the path is a file, or a store error.</exception>
    /// <exception cref="ArgumentException">The path is relative.</exception>
    public static FolderStore Open(string path, bool create) =>
        Open(path, create, StableFile.Flush, StableFile.FlushFolder);

    /// <summary>With flushes that a test can let fail.</summary>
    internal static FolderStore Open(string path, bool create, Action<FileStream> flushFile, Action<string> flushFolder)
    {
        if (!OlderFramework.IsFullPath(path))
            throw new ArgumentException($"'{path}' is not a full path.", nameof(path));
        string root = Path.GetFullPath(path);
        if (root.Length > Path.GetPathRoot(root)!.Length)
            root = root.TrimEnd(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar);
        try
        {
            if (File.Exists(root))
                throw new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.InvalidArgument,
                    $"'{root}' is a file. A repository is a folder.", root,
                    "Name the folder that holds the repository.");
            if (!Directory.Exists(root))
            {
                if (!create)
                    throw new NataliaException(ErrorIds.RepositoryNotFound, NataliaErrorKind.NotFound,
                        $"There is no folder '{root}'.", root,
                        "Check the path, and that the disk or share is mounted.");
                Directory.CreateDirectory(root);
            }
            var layout = new FolderLayout(root);
            // A folder that is only looked at may turn out to be no repository, so nothing is made in it.
            if (create) Directory.CreateDirectory(layout.Temporary);
            FileAttributes temporary = FolderLayout.AttributesOf(layout.Temporary);
            if (FolderLayout.IsLink(layout.Temporary, temporary))
                throw new NataliaException(ErrorIds.PathNotContained, NataliaErrorKind.Security,
                    $"'{layout.Temporary}' is a link. Links inside a repository folder are not followed, because they "
                    + "may lead out of it.",
                    layout.Temporary,
                    "Delete the link.");
            return new FolderStore(layout, temporary != FolderLayout.Missing, flushFile, flushFolder);
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, root, writing: create);
        }
    }

    /// <inheritdoc/>
    public string Location => _layout.Root;

    /// <inheritdoc/>
    public string Kind => "Folder";

    /// <inheritdoc/>
    public bool HasExclusiveCreate => true;

    /// <inheritdoc/>
    public IObjectLock? ObjectLock => null;

    /// <inheritdoc/>
    public Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        if (options.RetainUntilUtc is not null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
                $"The folder '{Location}' cannot lock objects against deletion.", Location,
                "Use a bucket made with object lock for an immutable repository.");
        // The bytes are in memory and the file system has no asynchronous flush, so one thread does it all.
        return content.Length < LongWrite ? Task.Run(Write, cancellationToken)
            : OwnThread.RunAsync(() =>
            {
                Write();
                return Task.CompletedTask;
            }, cancellationToken);

        void Write() => Put(name, content, options.MustNotExist, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
        return await Task.Run(() => Read(name, offset, buffer), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        return Task.Run<Stream>(
            () => Access(name, writing: false, path => new FolderReadStream(ObjectFile.Open(path), path)),
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        return Task.Run(() => Access(name, writing: false, path =>
        {
            var file = new FileInfo(path);
            FileAttributes attributes = file.Attributes;
            if (attributes != FolderLayout.Missing && !IsFolder(attributes))
                return new StoredObject(name, file.Length, file.LastWriteTimeUtc);
            RequireRoot();
            return null;
        }), cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectName.RequirePrefix(prefix);
        int slash = prefix.LastIndexOf('/');
        string folder = slash < 0 ? "" : prefix.Substring(0, slash);
        var open = new Stack<IEnumerator<Entry>>();
        open.Push(await Task.Run(() => Entries(folder, prefix.Substring(slash + 1), after),
            cancellationToken).ConfigureAwait(false));
        while (open.Count > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!open.Peek().MoveNext())
            {
                open.Pop();
                continue;
            }
            Entry entry = open.Peek().Current;
            if (entry.Object is not null) yield return entry.Object;
            else open.Push(await Task.Run(() => Entries(entry.Folder!, "", after),
                cancellationToken).ConfigureAwait(false));
        }
        // A share that went away meanwhile looks like empty folders; half a list would be taken for the whole.
        RequireRoot();
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        return Task.Run(() => Access(name, writing: true, path =>
        {
            FileAttributes attributes = FolderLayout.AttributesOf(path);
            // A folder is no object, whatever its name.
            if (attributes == FolderLayout.Missing || IsFolder(attributes))
            {
                RequireRoot();
                return false;
            }
            string folder = Path.GetDirectoryName(path)!;
            try { File.Delete(path); }
            catch (DirectoryNotFoundException) { RequireRoot(); }
            _unflushedFolders[folder] = true;
            RemoveEmptyFolders(folder);
            return true;
        }), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        // One at a time: a second caller must not return while the first still flushes what both rely on.
        await _flushing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await Task.Run(FlushFolders, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _flushing.Release();
        }
    }

    /// <inheritdoc/>
    public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
        Task.Run(() => Sweep(olderThan, cancellationToken), cancellationToken);

    IReadOnlyList<string> INestedStores.Names(int atMost)
    {
        try
        {
            return [.. new DirectoryInfo(Location).EnumerateDirectories()
                .Where(f => f.Name[0] != '.' && !FolderLayout.IsLink(f.FullName, f.Attributes))
                .Take(atMost).Select(f => f.Name).OrderBy(n => n, StringComparer.Ordinal)];
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, Location, writing: false);
        }
    }

    IObjectStore INestedStores.Open(string name) => Open(Path.Combine(Location, name), create: false);

    string INestedStores.Place(string name) => Path.Combine(Location, name);

    /// <inheritdoc/>
    public Task<StorePlacement> GetPlacementAsync(CancellationToken cancellationToken) => Task.Run(() =>
    {
        RequireRoot();
        return FolderPlacement.Find(Location);
    }, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _flushing.Dispose();

    private void Put(string name, ObjectContent content, bool mustNotExist, CancellationToken cancellationToken)
    {
        string final = Access(name, writing: true, path => path);
        EnsureTemporaryFolder();
        if (mustNotExist && FolderLayout.AttributesOf(final) is var there and not FolderLayout.Missing)
            throw IsFolder(there) ? FolderErrors.FolderInPlace(final) : FolderErrors.Exists(name, Location);
        string temporary = Path.Combine(_layout.Temporary, Guid.NewGuid().ToString("n"));
        bool published = false;
        try
        {
            WriteFile(temporary, content, cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
            published = Publish(temporary, final);
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            RequireRoot();
            // Before it is looked how much is free.
            if (!published) TryDelete(temporary);
            throw FolderErrors.Translate(error, final, writing: true, Location, content.Length);
        }
        finally
        {
            if (!published) TryDelete(temporary);
        }
        if (published) return;
        if (Directory.Exists(final)) throw FolderErrors.FolderInPlace(final);
        // The same put again, after an answer that did not arrive, is no error; other bytes are.
        if (mustNotExist || !Access(name, writing: false, path => Holds(path, content)))
            throw FolderErrors.Exists(name, Location);
        // Whoever put it may not have flushed its name yet.
        _unflushedFolders[Path.GetDirectoryName(final)!] = true;
    }

    private void WriteFile(string path, ObjectContent content, CancellationToken cancellationToken)
    {
        // A buffer size of 1 switches FileStream's own buffer off. Sharing is open, so that no system sets a lock.
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write,
            FileShare.ReadWrite | FileShare.Delete, 1);
        foreach (ReadOnlyMemory<byte> part in content.Parts)
        {
            for (int at = 0; at < part.Length; at += s_writeSize)
            {
                cancellationToken.ThrowIfCancellationRequested();
                OlderFramework.Write(file, part.Slice(at, Math.Min(s_writeSize, part.Length - at)));
            }
        }
        _flushFile(file);
    }

    private bool Publish(string temporary, string final)
    {
        string folder = Path.GetDirectoryName(final)!;
        for (int attempt = 1; ; attempt++)
        {
            // Another process deletes the last object of the folder, and the folder with it, at any moment of this.
            bool again = attempt < PublishAttempts;
            try
            {
                EnsureFolder(folder);
            }
            catch (IOException) when (again && !File.Exists(folder) && File.Exists(temporary))
            {
                // The folder or its parent went while it was made. Class libraries say so in different words: that a
                // path, a folder or a file was not found, or that a file of this name exists. Whether the folder is
                // there by now says nothing: another process may have made it since.
                continue;
            }
            try
            {
                bool published = NativeFiles.TryPublish(temporary, final);
                if (published) _unflushedFolders[folder] = true;
                return published;
            }
            catch (DirectoryNotFoundException) when (again && File.Exists(temporary))
            {
                // It went before the object was in it.
            }
        }
    }

    // Directory.CreateDirectory alone would make the root again when the share has gone.
    private void EnsureFolder(string folder)
    {
        if (folder.Length <= _layout.Root.Length || Directory.Exists(folder)) return;
        string parent = Path.GetDirectoryName(folder)!;
        EnsureFolder(parent);
        RequireRoot();
        Directory.CreateDirectory(folder);
        _unflushedFolders[parent] = true;
    }

    private int Read(string name, long offset, Memory<byte> buffer) => Access(name, writing: false, path =>
    {
        using ObjectFile file = ObjectFile.Open(path);
        int read = 0;
        while (read < buffer.Length)
        {
            int count = file.Read(offset + read, buffer.Span.Slice(read));
            if (count == 0) break;
            read += count;
        }
        return read;
    });

    private static bool Holds(string path, ObjectContent content)
    {
        using ObjectFile file = ObjectFile.Open(path);
        if (file.Length != content.Length) return false;
        byte[] buffer = new byte[1 << 20];
        long position = 0;
        foreach (ReadOnlyMemory<byte> part in content.Parts)
        {
            int at = 0;
            while (at < part.Length)
            {
                int count = file.Read(position, buffer.AsSpan(0, Math.Min(buffer.Length, part.Length - at)));
                if (count == 0 || !part.Span.Slice(at, count).SequenceEqual(buffer.AsSpan(0, count))) return false;
                at += count;
                position += count;
            }
        }
        return true;
    }

    private static bool IsFolder(FileAttributes attributes) => (attributes & FileAttributes.Directory) != 0;

    /// <summary>
    /// Resolves a name and works on its path, with every failure of the file system as a store error.
    /// </summary>
    private T Access<T>(string name, bool writing, Func<string, T> work)
    {
        try
        {
            return work(_layout.PathOf(name));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            RequireRoot();
            throw FolderErrors.NotFound(name, Location, error);
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, _layout.Native(name), writing, Location);
        }
    }

    // Copying programs leave empty folders out, so a copied repository may lack it; the first write makes it then.
    private void EnsureTemporaryFolder()
    {
        RequireRoot();
        if (_hasTemporaryFolder) return;
        try
        {
            Directory.CreateDirectory(_layout.Temporary);
            _hasTemporaryFolder = true;
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, _layout.Temporary, writing: true, Location);
        }
    }

    private void RequireRoot()
    {
        try
        {
            string path = _hasTemporaryFolder ? _layout.Temporary : _layout.Root;
            FileAttributes attributes = FolderLayout.AttributesOf(path);
            if (attributes == FolderLayout.Missing || !IsFolder(attributes)) throw FolderErrors.Unavailable(Location);
            // The root may be one: whoever opened the store named it.
            if (_hasTemporaryFolder && FolderLayout.IsLink(path, attributes)) throw FolderLayout.LinkRefused(path);
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Unavailable(Location, error);
        }
    }

    private sealed record Entry(string Key, StoredObject? Object, string? Folder);

    private IEnumerator<Entry> Entries(string folder, string prefix, string? after)
    {
        var entries = new List<Entry>();
        string start = folder.Length == 0 ? "" : folder + "/";
        string path = folder.Length == 0 ? Location : Access(folder, writing: false, p => p);
        try
        {
            foreach (FileSystemInfo item in new DirectoryInfo(path).EnumerateFileSystemInfos())
            {
                // What no put can have made is not an object: temporary files, what a NAS or a desktop leaves in every
                // folder, links.
                if (!item.Name.StartsWith(prefix, StringComparison.Ordinal)) continue;
                string name = start + item.Name;
                if (!ObjectName.IsValid(name)) continue;
                // Before its attributes are asked for: each costs a request on a share.
                if (after is not null && IsBefore(name, item is FileInfo, after)) continue;
                FileAttributes attributes = item.Attributes;
                if (attributes == FolderLayout.Missing || FolderLayout.IsLink(item.FullName, attributes)) continue;
                if (item is not FileInfo file) entries.Add(new Entry(item.Name + "/", null, name));
                else if (Describe(file, name) is StoredObject found)
                    entries.Add(new Entry(item.Name, found, null));
            }
        }
        catch (DirectoryNotFoundException)
        {
            RequireRoot();
        }
        catch (IOException) when (File.Exists(path))
        {
            // An object, with nothing below it: .NET calls that a missing folder, other class libraries an invalid one.
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            throw FolderErrors.Translate(error, path, writing: false);
        }
        // A folder sorts as its complete names do, with the '/' behind it: "a-b" comes before "a/b".
        entries.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        return entries.GetEnumerator();
    }

    /// <summary>Whether an object, or everything in a folder, stands at or before a name.</summary>
    private static bool IsBefore(string name, bool isFile, string after) =>
        isFile ? string.CompareOrdinal(name, after) <= 0 : string.CompareOrdinal(name + "/", after) < 0
            && !after.StartsWith(name + "/", StringComparison.Ordinal);

    private static StoredObject? Describe(FileInfo file, string name)
    {
        try { return new StoredObject(name, file.Length, file.LastWriteTimeUtc); }
        catch (FileNotFoundException) { return null; }
    }

    private void FlushFolders()
    {
        RequireRoot();
        if (_notFlushed is FolderNotFlushedException earlier)
            throw FolderErrors.Translate(earlier, Location, writing: true);
        foreach (string folder in _unflushedFolders.Keys)
        {
            // Taken out first: what is put from here on marks it again.
            _unflushedFolders.TryRemove(folder, out _);
            try
            {
                _flushFolder(folder);
            }
            catch (FolderNotFlushedException lost)
            {
                _notFlushed = lost;
                throw FolderErrors.Translate(lost, folder, writing: true);
            }
            catch (DirectoryNotFoundException)
            {
                // Deleted since, because it was empty.
                RequireRoot();
            }
            catch (Exception error)
            {
                _unflushedFolders[folder] = true;
                if (FolderErrors.IsFileSystem(error)) throw FolderErrors.Translate(error, folder, writing: true);
                throw;
            }
        }
    }

    private int Sweep(TimeSpan olderThan, CancellationToken cancellationToken)
    {
        EnsureTemporaryFolder();
        int removed = 0;
        string probe = Path.Combine(_layout.Temporary, Guid.NewGuid().ToString("n"));
        try
        {
            // A fresh file tells the time of the server that keeps the files: its clock gave the others their dates.
            WriteFile(probe, new ObjectContent(), cancellationToken);
            DateTime limit = File.GetLastWriteTimeUtc(probe) - olderThan;
            File.Delete(probe);
            foreach (FileInfo file in new DirectoryInfo(_layout.Temporary).EnumerateFiles())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (file.LastWriteTimeUtc <= limit && TryDelete(file.FullName)) removed++;
            }
            return removed;
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            RequireRoot();
            throw FolderErrors.Translate(error, _layout.Temporary, writing: true, Location);
        }
        finally
        {
            TryDelete(probe);
        }
    }

    private void RemoveEmptyFolders(string folder)
    {
        try
        {
            while (folder.Length > Location.Length && !Directory.EnumerateFileSystemEntries(folder).Any())
            {
                Directory.Delete(folder, recursive: false);
                _unflushedFolders.TryRemove(folder, out _);
                folder = Path.GetDirectoryName(folder)!;
                _unflushedFolders[folder] = true;
            }
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            // Another process put an object into it, or removed it too: both are as good.
        }
    }

    // A temporary file that cannot be deleted now is never listed, and a later sweep finds it.
    private static bool TryDelete(string path)
    {
        try
        {
            if (!File.Exists(path)) return false;
            File.Delete(path);
            return true;
        }
        catch (Exception error) when (FolderErrors.IsFileSystem(error))
        {
            return false;
        }
    }
}
