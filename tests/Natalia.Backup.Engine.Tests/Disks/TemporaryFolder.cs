namespace Natalia.Backup.Engine.Tests.Disks;

/// <summary>A folder of one test's own, gone when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal TemporaryFolder() => FullPath = Directory.CreateTempSubdirectory("natalia-test-").FullName;

    internal string FullPath { get; }

    internal string this[string name] => Path.Combine(FullPath, name);

    internal string[] Files => [.. Directory.EnumerateFileSystemEntries(FullPath).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
