namespace Natalia.Backup.Tests;

internal static class TestAssembly
{
    internal const string Name = "Natalia.Backup.Engine.Tests";
}
