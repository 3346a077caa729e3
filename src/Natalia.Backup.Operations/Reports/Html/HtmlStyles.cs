namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The one style sheet. The page's policy names its hash, so that no other style counts.</summary>
internal static class HtmlStyles
{
    /// <summary>The text, with the line ends that a browser takes the hash of.</summary>
    internal static string Text { get; } = Source.Replace("\r\n", "\n");

    private const string Source = """

        :root{--paper:#fff;--ink:#1c2126;--soft:#57606a;--rule:#d8dde3;--tint:#f5f7f9;--link:#0b5394;--bar:#8fa3b8;--met:#14633a;--met-b:#e6f3eb;--missed:#a8211a;--missed-b:#fcebe9;--open:#744800;--open-b:#fdf1d8;--fill:#c8372d}
        @media screen and (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e7ea;--soft:#a3abb4;--rule:#30363d;--tint:#1b1f24;--link:#86b7f5;--bar:#5f7389;--met:#79d49c;--met-b:#14291d;--missed:#ff9e94;--missed-b:#3a1816;--open:#ecc06a;--open-b:#2e240f;--fill:#e5675c}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
        body{margin:0 auto;padding:2rem 1.5rem 3rem;max-width:76rem;background:var(--paper);color:var(--ink);font:400 .9375rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans","Liberation Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:break-word}
        bdi{overflow-wrap:anywhere}
        h1,h2,h3,h4,p,dl,dd,ol,ul,figure{margin:0}
        h1{font-size:1.875rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;text-wrap:balance}
        h2{font-size:1.3125rem;line-height:1.3;font-weight:650;letter-spacing:-.01em}
        h3{font-size:.9375rem;font-weight:650;margin:2rem 0 .5rem}
        h4{font-size:.8125rem;font-weight:600;margin:0 0 .375rem}
        a{color:var(--link);text-underline-offset:.15em;text-decoration-thickness:1px}
        a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}
        small{font-size:.8125rem;color:var(--soft)}
        code{font:.75rem/1.45 ui-monospace,"Cascadia Mono",Consolas,"Liberation Mono",Menlo,monospace;color:var(--soft);overflow-wrap:anywhere}
        .sr{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        .skip{position:absolute;left:-99rem}
        .skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.25rem .5rem}
        .kicker{font-size:.8125rem;font-weight:600;color:var(--soft);margin-bottom:.75rem}
        .lead{border-left:5px solid var(--open);padding:.125rem 0 .125rem 1.25rem}
        .lead.met{border-color:var(--met)}.lead.missed{border-color:var(--fill)}
        .leadv{margin-bottom:.5rem}
        .worst{margin-top:.75rem;max-width:52rem;font-size:1.0625rem}
        .label{font-size:.8125rem;font-weight:600;color:var(--soft);margin-right:.25rem}
        .meta,caption,figcaption{font-size:.8125rem;color:var(--soft)}
        header .meta{margin-top:1rem}
        main>section,main>nav{margin-top:2.5rem}
        .note{margin-top:1rem;padding:.75rem 1rem;background:var(--open-b);color:var(--ink);border-radius:4px}
        .note ul{padding-left:1.25rem}
        .v{display:inline-flex;align-items:center;gap:.25rem;padding:.0625rem .5rem .0625rem .375rem;border-radius:3px;font-size:.8125rem;font-weight:600;white-space:nowrap;color:var(--open);background:var(--open-b)}
        .v.met,.s.met{color:var(--met);background:var(--met-b)}
        .v.missed,.s.missed{color:var(--missed);background:var(--missed-b)}
        .v.plain{color:var(--soft);background:var(--tint);padding-left:.5rem}
        .i{width:.875rem;height:.875rem;flex:none}
        .s{display:inline-flex;align-items:center;justify-content:center;width:1.625rem;height:1.625rem;border-radius:3px;color:var(--open);background:var(--open-b);position:relative}
        .bad{color:var(--missed);font-weight:600}
        .todo{margin-top:.75rem;padding:0;list-style:none;border-top:1px solid var(--rule)}
        .todo li{padding:.625rem 0;border-bottom:1px solid var(--rule);display:grid;grid-template-columns:8.25rem minmax(0,2fr) minmax(0,3fr);gap:.25rem 1rem;align-items:baseline}
        .todo+.meta{margin-top:.5rem}
        table{border-collapse:collapse;width:100%;text-align:left}
        caption{text-align:left;padding-bottom:.375rem}
        th,td{padding:.4375rem .75rem .4375rem 0;vertical-align:top;border-bottom:1px solid var(--rule)}
        thead th{font-size:.75rem;font-weight:600;color:var(--soft);vertical-align:bottom;border-bottom-color:var(--soft)}
        tbody th{font-weight:600}
        tr:target>*,details:target>summary{background:var(--tint)}
        .n{white-space:nowrap}
        .fleet{margin-top:.5rem}
        .fleet td,.fleet thead th:not(:first-child){text-align:center;padding-left:.25rem;padding-right:.25rem}
        .fleet tbody td{padding-top:.25rem;padding-bottom:.25rem}
        .fleet td a{display:inline-block;text-decoration:none}
        .fleet thead th:not(:first-child){width:9.5%}
        .fleet tfoot th,.fleet tfoot td{border:0;font-size:.8125rem;color:var(--soft);font-weight:400}
        .fleet .short{display:none}
        .appliance{padding-top:2rem;border-top:2px solid var(--ink)}
        .ahead{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem}
        .facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin-top:.75rem}
        .facts dt{font-size:.75rem;color:var(--soft)}
        .facts dd{overflow-wrap:anywhere}
        .objectives th:first-child{width:9rem}
        .objectives td.n{white-space:normal;max-width:8rem}
        .objectives .why{width:48%;padding-right:0}
        .rows th{min-width:5rem}
        .fleet tbody th{min-width:6.5rem}
        .act{margin-top:.25rem;font-weight:600}
        .rec{margin-top:.25rem;font-size:.8125rem;color:var(--soft)}
        .hash code{display:inline-block;width:32ch;max-width:100%}
        .chart{display:block;overflow:visible;margin-top:.5rem;max-width:100%}
        .plot{display:grid;grid-template-columns:56px minmax(0,1fr)}
        .chart .grid{stroke:var(--rule)}
        .chart .axis{stroke:var(--soft)}
        .chart .target{stroke:var(--ink);stroke-dasharray:4 3}
        .chart .bar{fill:var(--bar)}
        .chart .over{fill:var(--fill)}
        .chart .line{stroke:var(--link);stroke-width:1.5}
        .chart .dot{fill:var(--link)}
        .chart text{font-size:.75rem;fill:var(--soft);paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
        .chart .strong{fill:var(--ink);font-weight:600}
        figcaption{margin-top:.25rem;max-width:60rem}
        figure+table,.meta+table{margin-top:1rem}
        .gfs{margin-top:.75rem;display:grid;gap:1rem}
        .count{font-weight:400;color:var(--soft);margin-left:.5rem}
        .slots{padding:0;list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.375rem}
        .slots li{padding:.375rem .625rem;border:1px solid var(--rule);border-left:4px solid var(--met);border-radius:3px;font-size:.8125rem;line-height:1.35}
        .slots .period{display:block;font-weight:600}
        .slots .none{border-style:dashed;border-color:var(--fill);color:var(--missed);font-weight:600}
        .slots .early{border-style:dotted;border-left-width:1px;color:var(--soft)}
        .pid{color:var(--soft);font-size:.75rem}
        .test{border-bottom:1px solid var(--rule);padding:.5rem 0}
        .test summary{cursor:pointer;font-weight:600}
        .test .sum{font-weight:400;color:var(--soft)}
        .test>p,.test>table{margin-top:.5rem}
        .test .facts{margin-bottom:.75rem}
        footer{margin-top:3rem;padding-top:1rem;border-top:1px solid var(--rule);font-size:.8125rem;color:var(--soft)}
        footer p+p{margin-top:.375rem}
        footer strong{color:var(--ink)}
        @media screen and (min-width:66rem){.points th code{white-space:nowrap;font-size:.6875rem}}
        @media screen and (max-width:46rem){
        body{padding:1.25rem 1rem 2rem}
        h1{font-size:1.5rem}
        .lead{padding-left:.875rem}
        .todo li{grid-template-columns:minmax(0,1fr)}
        .fleet .long{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
        .fleet .short{display:inline}
        .fleet .of{display:none}
        .fleet th:first-child{overflow-wrap:anywhere}
        .fleet thead th:not(:first-child){width:1.875rem;font-size:.625rem;padding-left:0;padding-right:0}
        .fleet td{padding-left:.0625rem;padding-right:.0625rem}
        .fleet thead th{position:relative}
        .s{width:1.5rem;height:1.5rem}
        .rows thead{display:none}
        .rows,.rows tbody,.rows tr,.rows th,.rows td,.rows caption{display:block;width:auto;max-width:none;border:0}
        .rows tr{padding:.625rem 0;border-bottom:1px solid var(--rule)}
        .rows th,.rows td,.objectives .why{padding:.125rem 0;width:auto}
        .rows td[data-l]{position:relative;padding-left:7.5rem;min-height:1.5em}
        .rows td[data-l]::before{content:attr(data-l);color:var(--soft);font-size:.8125rem;position:absolute;left:0}
        .objectives td.n{max-width:none}
        .objectives th:first-child{width:auto}
        .hash code{width:auto}
        }
        @media print{
        @page{size:A4;margin:14mm 13mm}
        body{max-width:none;padding:0;font-size:8.5pt}
        h1{font-size:17pt}h2{font-size:13pt}h3{font-size:9.5pt;margin-top:14pt}
        a{color:inherit;text-decoration:none}
        .skip{display:none}
        .v,.s,.slots li,.chart,.note{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        .appliance{break-before:page;border-top:0;padding-top:0}
        tr,li,figure,.facts,.slots,.todo li{break-inside:avoid}
        .slots{grid-template-columns:repeat(7,minmax(0,1fr))}
        .slots li{font-size:7.5pt;padding:.25rem .4rem}
        .facts dt,.pid,.chart text{font-size:7pt}
        summary{list-style:none}
        h2,h3,h4,caption,.ahead{break-after:avoid}
        thead{display:table-header-group}
        details::details-content{content-visibility:visible;display:block;block-size:auto}
        code{font-size:6pt}
        .points th code{white-space:nowrap}
        .v,small,.rec,.meta,caption,figcaption{font-size:7.5pt}
        }

        """;
}
