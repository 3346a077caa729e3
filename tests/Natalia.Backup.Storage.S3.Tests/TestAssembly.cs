namespace Natalia.Backup.Tests;

internal static class TestAssembly
{
    internal const string Name = "Natalia.Backup.Storage.S3.Tests";
}
