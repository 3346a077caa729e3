using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

internal static class TestOptions
{
    internal static S3StoreOptions For(string bucket) => new()
    {
        Bucket = bucket,
        Endpoint = CephServer.Running.Endpoint,
        Region = "us-east-1",
        AccessKey = CephServer.AccessKey,
        SecretKey = CephServer.Secret(CephServer.SecretKey),
        StallTimeout = TimeSpan.FromSeconds(30),
    };
}
