using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Looks at answers before the SDK does: it would sign a redirected request anew for whatever host the answer names,
/// and takes an error that comes with status 200 for success.
/// </summary>
internal sealed class S3Answers(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    // Errors are short. More is a page that is none.
    private const int LongestError = 64 << 10;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            if ((int)response.StatusCode is 301 or 302 or 303 or 307 or 308)
                throw await DescribeRedirectAsync(request, response, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.ProxyAuthenticationRequired) throw new ProxyLoginException();
            if (response.StatusCode == HttpStatusCode.OK && MayHideError(request, response))
                await RevealErrorAsync(response, cancellationToken).ConfigureAwait(false);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private static async Task<S3RedirectException> DescribeRedirectAsync(HttpRequestMessage request,
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        XElement? error = await ReadErrorAsync(response, cancellationToken).ConfigureAwait(false);
        string? code = Child(error, "Code");
        Uri? to = response.Headers.Location is Uri location ? new Uri(request.RequestUri!, location) : null;
        string? host = to?.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)
            ?? Child(error, "Endpoint");
        string? region = response.Headers.TryGetValues("x-amz-bucket-region", out IEnumerable<string>? values)
            ? values.FirstOrDefault()
            : Child(error, "Region");
        return new S3RedirectException((int)response.StatusCode, code, Known(host), Known(region));
    }

    // The text comes from a stranger.
    private static string? Known(string? text) =>
        text is not null && Regex.IsMatch(text, @"^[A-Za-z0-9:/\[\]._-]{1,300}$") ? text : null;

    // What a GET of an object brings is the object's own business.
    private static bool MayHideError(HttpRequestMessage request, HttpResponseMessage response) =>
        request.Method != HttpMethod.Head && response.Content is not null && response.Content.Headers.ContentLength != 0
        && (request.Method != HttpMethod.Get
            || Regex.IsMatch(request.RequestUri!.Query, "[?&](versioning|object-lock)(&|=|$)"))
        && (response.Content.Headers.ContentLength is null or <= LongestError);

    private static async Task RevealErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        MediaTypeHeaderValue? type = response.Content.Headers.ContentType;
        (byte[] bytes, XElement? error) = await BufferAsync(response, cancellationToken).ConfigureAwait(false);
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = type;
        response.Content = content;
        if (error is null) return;
        // The status that this error should have come with: the code says what it is.
        response.StatusCode = Child(error, "Code") is "SlowDown" or "ServiceUnavailable"
            ? HttpStatusCode.ServiceUnavailable
            : Child(error, "Code") is "AccessDenied" or "QuotaExceeded"
                ? HttpStatusCode.Forbidden
                : HttpStatusCode.InternalServerError;
    }

    private static async Task<XElement?> ReadErrorAsync(HttpResponseMessage response,
        CancellationToken cancellationToken) =>
        response.Content is null || response.Content.Headers.ContentLength > LongestError
            ? null
            : (await BufferAsync(response, cancellationToken).ConfigureAwait(false)).Error;

    private static async Task<(byte[] Bytes, XElement? Error)> BufferAsync(HttpResponseMessage response,
        CancellationToken cancellationToken)
    {
        using var all = new MemoryStream();
        using (Stream body = await response.Content.ReadAsStreamAsync().ConfigureAwait(false))
        {
            byte[] buffer = new byte[8 << 10];
            for (int count; all.Length <= LongestError
                && (count = await body.ReadAsync(buffer, 0, buffer.Length, cancellationToken).ConfigureAwait(false))
                    > 0;)
                all.Write(buffer, 0, count);
        }
        all.Position = 0;
        try
        {
            using var reader = XmlReader.Create(all, new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
            XElement root = XElement.Load(reader);
            return (all.ToArray(), root.Name.LocalName == "Error" ? root : null);
        }
        catch (XmlException)
        {
            return (all.ToArray(), null);
        }
    }

    private static string? Child(XElement? error, string name) =>
        error?.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value;
}

/// <summary>The server sends the request elsewhere, and it was not followed.</summary>
internal sealed class S3RedirectException(int status, string? code, string? host, string? region)
    : IOException($"The server answered with a redirect (HTTP {status}).")
{
    internal int Status => status;
    internal string? Code => code;

    /// <summary>Where to, as far as the answer says it: scheme and host, or the host alone.</summary>
    internal string? Host => host;

    internal string? Region => region;
}

/// <summary>The proxy wants a login, or another one.</summary>
internal sealed class ProxyLoginException() : IOException("The proxy answered 407.");
