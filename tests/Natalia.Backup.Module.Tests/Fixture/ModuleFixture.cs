using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// One session with the module imported, and a folder of its own, for the tests of one class:
/// <c>IClassFixture&lt;ModuleFixture&gt;</c>. Tests that must not see each other's connections open their own with
/// <see cref="NewSession"/>.
/// </summary>
public sealed class ModuleFixture : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-module-");
    private int _folders;

    public ModuleFixture() => Session = NewSession();

    public ModuleSession Session { get; }

    /// <summary>A new runspace with the module imported. The caller disposes it.</summary>
    public ModuleSession NewSession(RecordingHost? host = null) => new(host);

    /// <summary>Runs a script in the shared session.</summary>
    public ScriptResult Run(string script, params object?[] arguments) => Session.Run(script, arguments);

    /// <summary>A new empty folder that goes with the fixture.</summary>
    public string NewFolder() =>
        _folder.CreateSubdirectory(Interlocked.Increment(ref _folders)
            .ToString(System.Globalization.CultureInfo.InvariantCulture)).FullName;

    public void Dispose()
    {
        Session.Dispose();
        _folder.Delete(recursive: true);
    }
}
