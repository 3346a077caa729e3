using System.Reflection;
using Natalia.Backup.Hypervisors.VSphere.Builds;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Reading;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Builds;

public sealed class UploadTargetTests(VSphereServers servers) : IClassFixture<VSphereServers>
{
    [VSphereFact]
    public async Task An_upload_that_is_given_up_is_over_when_it_is_disposed()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        IVimService slow = DispatchProxy.Create<IVimService, SlowEnd>();
        var ending = (SlowEnd)slow;
        ending.Inner = vim;
        var any = new VimReference("Folder", "group-v3");
        var site = new Site(any, "DC0", any, any, any, "LocalDS_0", []);
        var target = new UploadTarget(new DatastoreFiles(slow), site,
            DatastorePath.Parse("[LocalDS_0] natalia-nice/given-up.vmdk"));
        await target.BeginAsync(8 << 20, default);
        await target.WriteAsync(0, new byte[1 << 20], default);
        Assert.False(ending.IsOver);

        target.Dispose();

        Assert.True(ending.IsOver);
        target.Dispose();
    }

    /// <summary>A session whose requests take a while to end when they are given up.</summary>
    public class SlowEnd : DispatchProxy
    {
        internal IVimService Inner { get; set; } = null!;

        internal bool IsOver { get; private set; }

        protected override object? Invoke(MethodInfo? method, object?[]? arguments)
        {
            object? result = method!.Invoke(Inner, arguments);
            return method.Name == nameof(IVimService.SendAsync) ? EndAsync((Task<HttpResponseMessage>)result!) : result;
        }

        private async Task<HttpResponseMessage> EndAsync(Task<HttpResponseMessage> sending)
        {
            try
            {
                return await sending;
            }
            finally
            {
                await Task.Delay(50);
                IsOver = true;
            }
        }
    }
}
