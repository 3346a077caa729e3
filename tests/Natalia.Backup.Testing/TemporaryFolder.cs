namespace Natalia.Backup.Testing;

/// <summary>A folder that is gone after the test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("natalia-test-").FullName;

    /// <summary>The full path of something in it; a slash in the name becomes what separates on this system.</summary>
    public string this[string name] =>
        System.IO.Path.Combine(Path, name.Replace('/', System.IO.Path.DirectorySeparatorChar));

    /// <summary>The names of what lies in it.</summary>
    public string[] Files => [.. Directory.EnumerateFileSystemEntries(Path)
        .Select(p => System.IO.Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        if (Directory.Exists(Path)) Directory.Delete(Path, recursive: true);
    }
}
