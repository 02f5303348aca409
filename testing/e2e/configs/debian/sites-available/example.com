server {
    listen 80;
    listen [::]:80;

    server_name example.com www.example.com;

    root /var/www/example.com;
    index index.html;

    access_log /var/log/nginx/example.com.log vhost_combined;
    error_log  /var/log/nginx/example.com.error.log warn;

    error_page 404 /errors/404.html;
    error_page 500 502 503 504 /errors/50x.html;

    location ^~ /errors/ {
        internal;
    }

    location = /favicon.ico { log_not_found off; access_log off; }
    location = /robots.txt  { log_not_found off; access_log off; allow all; }

    location / {
        try_files $uri $uri/ =404;
    }

    location ~* \.(?:css|js|png|jpe?g|gif|ico|svg|woff2?)$ {
        expires 30d;
        add_header Cache-Control public;
    }

    location /old-blog/ {
        rewrite "^/old-blog/(\d{4})/(\d\d)/(.+)\.php$" /blog/$1-$2/$3/ permanent;
        return 410;
    }

    location /status {
        allow 10.0.0.0/8;
        deny all;
    }

    include snippets/no-dotfiles.conf;
}
