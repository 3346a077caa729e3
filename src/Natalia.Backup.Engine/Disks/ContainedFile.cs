using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A file inside a folder into which others may write. Where it lies is settled once, links followed; it must lie
/// inside. It is opened there and nowhere else: a link that takes the file's place, or that of a folder on the way,
/// between the look and the opening is not followed.
/// </summary>
public sealed class ContainedFile
{
    private readonly string _folder;
    private readonly string _stated;
    private readonly string _statedBy;

    private ContainedFile(string folder, string path, string stated, string statedBy)
    {
        _folder = folder;
        Path = path;
        _stated = stated;
        _statedBy = statedBy;
    }

    /// <summary>The file's real path.</summary>
    public string Path { get; }

    /// <summary>True when both are the same file of the same folder.</summary>
    /// <param name="other">The other one.</param>
    public bool IsSameAs(ContainedFile other) => Path.Equals(other.Path, RealPath.Comparison);

    /// <summary>
    /// A file inside a folder; null when there is no such file. What kind of file it is, the opening tells.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="path">A relative path, which may come from anybody; both slashes separate, so that a description
    /// means the same on every system.</param>
    /// <param name="statedBy">Where the path comes from, for the error.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    public static ContainedFile? Find(string folder, string path, string statedBy)
    {
        string[] segments = path.Split('/', '\\');
        // A colon means a drive or an alternate stream on Windows; elsewhere only a drive letter is refused, names may
        // hold colons.
        bool hasDrive = path.Length > 1 && path[1] == ':' && char.IsLetter(path[0]);
        if (hasDrive || path.IndexOf('\0') >= 0 || Array.Exists(segments, s => s.Length == 0 || s == "..")
            || (Platform.IsWindows && path.IndexOf(':') >= 0))
            throw Escapes(folder, path, statedBy);
        // Windows would look for another name than the one that is stated.
        if (Platform.IsWindows && WindowsPath.Flaw(path) is not null) return null;

        string full = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, System.IO.Path.Combine(segments)));
        if (!File.Exists(full)) return null;
        string? realFolder = RealPath.Of(folder), real = RealPath.Of(full);
        if (realFolder is null || real is null) return null;
        return RealPath.IsInside(real, realFolder)
            ? new ContainedFile(realFolder, real, path, statedBy)
            : throw Escapes(folder, path, statedBy);
    }

    /// <summary>
    /// The length in bytes of the file, or of the disk that it stands for; null where it is neither, or that cannot be
    /// learned without opening it.
    /// </summary>
    /// <exception cref="IOException">It is gone.</exception>
    public long? GetLength() => UnixFile.GetStatus(Path) switch
    {
        { IsBlockDevice: true } device => BlockDevice.GetLength(device.NodeDevice),
        { IsRegular: false } => null,
        _ => new FileInfo(Path).Length,
    };

    /// <summary>Where a stated path leads, for messages: in the system's own separators.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="path">A relative path; both slashes separate.</param>
    public static string Show(string folder, string path) =>
        System.IO.Path.Combine(folder, System.IO.Path.Combine(path.Split('/', '\\')));

    /// <summary>Reads a small text, in UTF-8 or as its byte order mark says.</summary>
    /// <param name="mostBytes">How long it may be, in bytes.</param>
    /// <exception cref="InvalidDataException">It is no regular file, or longer. The message is the end of a sentence
    /// that begins with "it".</exception>
    /// <exception cref="IOException">It cannot be read. So does <see cref="UnauthorizedAccessException"/>.</exception>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    public ContainedText ReadText(int mostBytes)
    {
        if (UnixFile.GetStatus(Path) is { IsRegular: false }) throw NotRegular();
        using PositionalFile file = Open(FileShare.ReadWrite | FileShare.Delete);
        FileState state = FileState.Of(Path, file);
        if (state.Status is { IsRegular: false }) throw NotRegular();
        if (state.Length > mostBytes)
            throw new InvalidDataException($"is {state.Length} bytes long, and {mostBytes} is the most");
        // The length is what it was a moment ago; what has none of its own (a file that a program feeds) is read as far
        // as the limit.
        var bytes = new byte[(int)Math.Max(state.Length, 4096) + 1];
        int length = 0;
        while (true)
        {
            int done = file.Read(length, bytes.AsSpan(length));
            length += done;
            if (length > mostBytes)
                throw new InvalidDataException($"is more than {mostBytes} bytes long, which is the most");
            if (length < bytes.Length) break;
            Array.Resize(ref bytes, Math.Min(bytes.Length * 2, mostBytes + 1));
        }
        using var reader = new StreamReader(new MemoryStream(bytes, 0, length));
        return new ContainedText(reader.ReadToEnd(), state.ModifiedUtc,
            state.Status is UnixFileStatus s ? FileState.Time(s.Changed) : null);

        static InvalidDataException NotRegular() => new("is not a regular file");
    }

    /// <summary>The real path.</summary>
    public override string ToString() => Path;

    /// <summary>Opens it for reading. Throws what the framework throws, and <c>PathNotContained</c>.</summary>
    internal PositionalFile Open(FileShare share) => PositionalFile.OpenBelow(_folder, Path, share)
        ?? throw new NataliaException(ErrorIds.PathNotContained, NataliaErrorKind.Security,
            $"'{Path}' was a file when it was looked for, and a link stands there or on the way to it now. It was not "
            + "followed.",
            Path,
            $"See who may write into '{_folder}' and what put a link there ('{_stated}' in '{_statedBy}').");

    private static NataliaException Escapes(string folder, string path, string statedBy) =>
        new(ErrorIds.PathNotContained, NataliaErrorKind.Security,
        $"The path '{path}' in '{statedBy}' leads out of '{folder}'.", statedBy,
        "State image paths relative to the VM's folder, and keep the images inside it. To back up images elsewhere, "
        + "connect the folder that holds them.");
}

/// <summary>A text out of a file.</summary>
/// <param name="Text">The text.</param>
/// <param name="LastWriteTimeUtc">When the file was last written, UTC. Programs can set it.</param>
/// <param name="LastChangeTimeUtc">When anything of the file changed last, UTC, which no program can set; null where
/// the system does not say (all but Linux).</param>
public sealed record ContainedText(string Text, DateTime LastWriteTimeUtc, DateTime? LastChangeTimeUtc);
